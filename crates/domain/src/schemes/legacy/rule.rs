//! Which legacy usernames and passwords may be made today. Only for making them: older ones break these rules and still work.
use crate::invalid::Invalid;

/// The longest username that can be made: with the longest password every transport carries it, HTTP Basic's pair of 512 bytes too.
pub const LONGEST_USERNAME: usize = 255;

/// Holds a username against `^[a-z]{5,255}$`.
///
/// # Errors
/// When it is anything else.
pub fn check_username(username: &str) -> Result<(), Invalid> {
    if (5..=LONGEST_USERNAME).contains(&username.len()) && username.bytes().all(|byte| byte.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err(Invalid::new("username", "username_rule", "Use 5 to 255 lower-case letters, a to z, and nothing else."))
    }
}

/// Holds a password against the rule: 6 to 50 of `[A-Za-z0-9]`, at least one upper and one lower case letter.
///
/// # Errors
/// When it is anything else.
pub fn check_password(password: &str) -> Result<(), Invalid> {
    let has = |wanted: fn(&u8) -> bool| password.as_bytes().iter().any(wanted);
    let allowed = (6..=50).contains(&password.len()) && password.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if allowed && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) {
        Ok(())
    } else {
        let rule = "Use 6 to 50 letters and digits, at least one upper-case and one lower-case letter among them, and nothing else.";
        Err(Invalid::new("password", "password_rule", rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_five_to_255_lower_case_letters() {
        let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
        for (username, allowed) in [
            ("abcde", true),
            ("abcdefghijklmnopqrstuvwxyz", true),
            (&*longest, true),
            ("abcd", false),
            ("Abcde", false),
            ("abcd1", false),
            ("", false),
            ("abcde\n", false),
            (" abcde", false),
            ("abcdé", false),
            (&*too_long, false),
        ] {
            assert_eq!(check_username(username).is_ok(), allowed, "{username:?}");
        }
    }

    #[test]
    fn a_password_is_six_to_50_letters_and_digits_of_both_cases() {
        let of = |length: usize| format!("A{}", "b".repeat(length - 1));
        for (password, allowed) in [
            (of(6), true),
            (of(50), true),
            ("aB1234".into(), true),
            (of(5), false),
            (of(51), false),
            ("abcdef1".into(), false),
            ("ABCDEF1".into(), false),
            ("1234567".into(), false),
            ("Abcdef!".into(), false),
            ("Abc def".into(), false),
            ("Abcdéf".into(), false),
            ("Abcdef\n".into(), false),
        ] {
            let checked = check_password(&password);
            assert_eq!(checked.is_ok(), allowed, "{password:?}");
            assert!(checked.is_ok_and(|()| true) || !check_password(&password).expect_err("refused").to_string().contains(&password));
        }
    }
}
