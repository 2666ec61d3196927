//! The scan that finds no secret where none may be: in outputs, pages, and every file of a data folder.

use std::path::Path;

use crate::http;

/// Fails when a text contains a secret, as it is, in base64, in hexadecimal or percent-encoded.
///
/// # Panics
/// With the name of the place, and not with the secret.
#[track_caller]
pub fn assert_absent_from(place: &str, bytes: &[u8], secrets: &[&str]) {
    for (number, secret) in secrets.iter().enumerate() {
        assert!(secret.len() >= 8, "too short to be looked for: {secret}");
        for (form, needle) in forms(secret) {
            let found = bytes.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
            if let Some(at) = found {
                panic!("{place} contains secret number {number} ({form}) at byte {at}");
            }
        }
    }
}

/// As [`assert_absent_from`], for every file below a folder: database, write-ahead log, all.
///
/// # Panics
/// With the path of the file.
#[track_caller]
pub fn assert_absent_from_files(folder: &Path, secrets: &[&str]) {
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            assert_absent_from_files(&path, secrets);
        } else if let Ok(bytes) = std::fs::read(&path) {
            assert_absent_from(&path.display().to_string(), &bytes, secrets);
        }
    }
}

/// How a secret may lie about. Of base64 the middle, which is the same whatever stands before and after.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let mut forms = vec![
        ("plain", secret.to_owned()),
        ("percent-encoded", http::encode(secret)),
        ("hexadecimal", secret.bytes().map(|byte| format!("{byte:02x}")).collect()),
    ];
    for offset in 0..3 {
        let rest = &secret.as_bytes()[offset..];
        forms.push(("base64", base64(&rest[..rest.len() / 3 * 3])));
    }
    forms
}

/// Of a whole number of three-byte groups, so that there is no padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks_exact(3)
        .flat_map(|group| {
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            [18, 12, 6, 0].map(|shift| char::from(LETTERS[(bits >> shift) as usize & 63]))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "cvk_live_0Zr4tQ/+s3cret";

    #[test]
    fn a_text_without_the_secret_passes() {
        assert_absent_from("a page", b"Client ID cvk_live_, 3 keys", &[SECRET]);
    }

    #[test]
    fn every_form_of_a_secret_is_found() {
        let hidden = [
            format!("log line {SECRET}."),
            // `claviger:` and the secret in Basic, where the base64 starts at another offset.
            format!("Basic {}", base64(format!("ab{SECRET}x").as_bytes())),
            format!("Basic {}", base64(format!("a{SECRET}").as_bytes())),
            format!("?key={}", http::encode(SECRET)),
            SECRET.bytes().map(|byte| format!("{byte:02X}")).collect(),
        ];
        for text in hidden {
            let found = std::panic::catch_unwind(|| {
                assert_absent_from("a page", text.as_bytes(), &[SECRET]);
            });
            assert!(found.is_err(), "{text}");
        }
    }
}
