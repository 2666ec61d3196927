//! The frame of every page: title, navigation, who is signed in; and problems as pages.
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use claviger_domain::{policy::ClientsSeen, time::Timestamp};

use super::{
    Page, assets,
    session::{Member, OperatorPerson},
    told,
    view::{Chrome, ErrorPage, Link, Notice, Person, SignedOut, Tone, When},
};
use crate::{
    app::App,
    problem::{Code, Problem},
    request,
};

/// Where a page stands in the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Account,
    Members,
    Clients,
    Credentials,
    Sessions,
    OperatorAccounts,
    OperatorKeys,
    OperatorCluster,
}

/// A frame without navigation.
pub(super) fn bare(title: &str) -> Chrome {
    let [css_href, js_href, icon_href] = assets::hrefs();
    Chrome { title: title.to_owned(), css_href, js_href, icon_href, ..Chrome::default() }
}

/// The frame of a member's page. What their role may not do is absent from it.
pub(super) fn of_member(member: &Member, title: &str, place: Place) -> Chrome {
    let console = &member.kind().console;
    let link = |label: &str, href: String, at| Link { label: label.to_owned(), href, current: place == at };
    let credentials = member.sees_credentials().then(|| link(console.tab(), member.credentials_href(), Place::Credentials));
    let mut menu = vec![link(console.section(), "/account".into(), Place::Account)];
    let mut nav = vec![Link { label: "Overview".into(), ..menu[0].clone() }];
    if console.in_account_menu {
        menu.extend(credentials.clone());
    }
    menu.push(link("Sessions", "/account/sessions".into(), Place::Sessions));
    if member.may_manage_members() {
        nav.push(link("Members", "/account/members".into(), Place::Members));
    }
    if member.clients_seen() != ClientsSeen::None {
        nav.push(link(member.clients_label(), "/account/clients".into(), Place::Clients));
    }
    nav.extend(credentials);
    let person = Person { email: member.email().to_owned(), name: member.name().map(str::to_owned), role_label: member.role_label() };
    Chrome { person: Some(person), account: Some(member.account().name.clone()), menu, nav, ..bare(title) }
}

/// The frame of an operator's page.
pub(super) fn of_operator(operator: &OperatorPerson, title: &str, place: Place) -> Chrome {
    let link = |label: &str, href: &str, at| Link { label: label.to_owned(), href: href.to_owned(), current: place == at };
    let nav = vec![
        link("Accounts", "/operator", Place::OperatorAccounts),
        link("Operator keys", "/operator/keys", Place::OperatorKeys),
        link("Cluster", "/operator/cluster", Place::OperatorCluster),
    ];
    let menu = vec![link("Sessions", "/operator/sessions", Place::Sessions)];
    let person = Person { email: operator.name().to_owned(), name: None, role_label: "Operator".into() };
    Chrome { person: Some(person), menu, nav, ..bare(title) }
}

/// A calm sentence above a page's content, chosen by a word in its address, with what is said there of the nodes; any other word says nothing.
pub(super) fn notice(word: Option<&str>) -> Option<Notice> {
    let (word, nodes) = told::read(word?);
    let text = match word {
        "created-before" => "That form was sent before: what it makes exists already. Its secret was shown then, and is not shown again.",
        "revoked" => "Revoked. Integrations that used it are refused from now on.",
        "login-created" => "Created. It works with the username and the password you chose.",
        "saved" => "Saved. It counts from the next request on.",
        "password-changed" => "Password changed. The old one is refused from now on.",
        "paused" => "Paused. It is refused until it is resumed.",
        "resumed" => "Resumed.",
        "restored" => "Restored. It is accepted again.",
        "restored-paused" => "Restored. It is paused, as it was, until it is resumed.",
        "settled" => "Done. One secret is left.",
        "found" => "This is the one you pasted.",
        "not-found" => "Nothing here matches what you pasted.",
        "none-ticked" => "Tick at least one first.",
        "asked" => "Asked. The operator sees it.",
        "deleted" => "Deleted. Integrations that used it are refused from now on.",
        "member-saved" => "Saved.",
        "member-removed" => "Removed. They are signed out everywhere.",
        "session-ended" => "Ended. Who used it is signed out there.",
        "granted" => "Granted.",
        "withdrawn" => "Withdrawn. Requests of this account are refused from now on.",
        "suspended" => "Suspended. Requests of this account, and of those below it, are refused from now on.",
        "activated" => "Activated.",
        "created" => "Created.",
        "regenerated" => "Regenerated. The old one is refused from the time on that you chose.",
        _ => return None,
    };
    Some(Notice { text: told::sentence(word, text, nodes), tone: Tone::Calm })
}

/// A moment as people read it, seen from `now`.
pub(super) fn when(at: Timestamp, now: Timestamp) -> When {
    let ahead = now < at;
    let seconds = if ahead { at.since(now).as_secs() } else { now.since(at).as_secs() };
    let (count, unit) = match seconds {
        0..=44 => (0, ""),
        45..=2_699 => (seconds.div_ceil(60), "minute"),
        2_700..=79_199 => (seconds.div_ceil(3_600), "hour"),
        79_200..=2_591_999 => (seconds.div_ceil(86_400), "day"),
        2_592_000..=31_535_999 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    let many = if count == 1 { "" } else { "s" };
    let relative = match (count, ahead) {
        (0, false) => "just now".to_owned(),
        (0, true) => "now".to_owned(),
        (_, false) => format!("{count} {unit}{many} ago"),
        (_, true) => format!("in {count} {unit}{many}"),
    };
    let exact =
        jiff::Timestamp::from_microsecond(at.micros()).map_or_else(|_| at.to_string(), |at| at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string());
    When { iso: at.to_string(), relative, exact }
}

/// A problem as a page. Who is not signed in is told how to be.
pub(crate) fn render_problem(_: &App, problem: &Problem, request_id: &str) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if problem.status == 401 {
        let text = "Sign in where you usually do, and open the console from there. It is reached by a link that signs you in.";
        return Page(status, SignedOut { chrome: bare("Signed out"), heading: "You are not signed in".into(), text: text.into() }).into_response();
    }
    if problem.code == Code::LinkSpent.as_str() {
        let chrome = bare(problem.title);
        return Page(status, SignedOut { chrome, heading: problem.title.to_owned(), text: problem.detail.clone() }).into_response();
    }
    let mut page = Page(
        status,
        ErrorPage {
            chrome: bare(problem.title),
            status: problem.status,
            heading: problem.title.to_owned(),
            text: problem.detail.clone(),
            request_id: Some(request_id.to_owned()),
        },
    )
    .into_response();
    if let Ok(value) = axum::http::HeaderValue::from_str(request_id) {
        page.headers_mut().insert(request::REQUEST_ID, value);
    }
    page.headers_mut().insert(axum::http::header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_as_people_say_them() {
        let now = Timestamp::from_micros(1_795_000_000_000_000);
        for (seconds, text) in
            [(0, "just now"), (50, "1 minute ago"), (150, "3 minutes ago"), (3_600, "1 hour ago"), (90_000, "2 days ago"), (40_000_000, "1 year ago")]
        {
            assert_eq!(when(now - std::time::Duration::from_secs(seconds), now).relative, text);
        }
        assert_eq!(when(now, now).exact, "18 Nov 2026, 11:06:40 UTC");
    }
}
