//! What a browser is called: by its `User-Agent` (RFC 9110, section 10.1.5), in few words, for people to recognise their own. It proves nothing.

/// The most characters that are kept of what a stranger calls itself.
const MOST: usize = 64;

/// What stands in the header, and what that is called. The first that is found counts: most browsers name those that they descend from as well.
const BROWSERS: [(&str, &str); 12] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
];

/// A name such as "Firefox on Windows"; of a browser that we do not know how it calls itself, cut off. None when it does not say.
pub(super) fn name(user_agent: &str) -> Option<String> {
    let find = |known: &[(&str, &'static str)]| known.iter().find(|(part, _)| user_agent.contains(part)).map(|(_, name)| *name);
    let Some(browser) = find(&BROWSERS) else {
        let own: String = user_agent.split(['/', ' ']).next().unwrap_or_default().chars().take(MOST).collect();
        return Some(own).filter(|own| !own.is_empty() && own != "Mozilla");
    };
    Some(find(&SYSTEMS).map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_what_its_owner_calls_it() {
        let long = "x".repeat(1000);
        for (user_agent, called) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0", Some("Firefox on Windows")),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36", Some("Chrome on Linux")),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                Some("Chrome on ChromeOS"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                Some("Edge on Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
                Some("Safari on macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1",
                Some("Chrome on iPhone"),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                Some("Samsung Internet on Android"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/112.0.0.0",
                Some("Opera on Windows"),
            ),
            ("curl/8.5.0", Some("curl")),
            ("Firefox/1", Some("Firefox")),
            ("<script>alert(1)</script>", Some("<script>alert(1)<")),
            (&long, Some(&long[..64])),
            ("Mozilla/5.0 (compatible)", None),
            ("", None),
            (" ", None),
            ("/", None),
        ] {
            assert_eq!(name(user_agent).as_deref(), called, "{user_agent}");
        }
    }
}
