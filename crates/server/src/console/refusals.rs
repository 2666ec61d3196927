//! Why was this refused? Signed requests that lately were, as they looked to us: for managers of an account's credentials, and for the operator.
//! Never the secret, never the signature that would have been right.
use std::collections::BTreeMap;

use axum::{
    extract::{Path, Query},
    response::{IntoResponse, Response},
};
use claviger_domain::{credential::Kind, id::AccountId, kind, schemes::signing::Seen, time::Timestamp};
use serde::Deserialize;

use super::{
    desk::Desk,
    frame, page, see,
    view::{Chrome, Link, RefusalPage, RefusalRow, RefusalsPage, RefusedPart, SeenHeader},
};
use crate::{app::App, problem::Problem, verify::RefusedSignature};

#[derive(Default, Deserialize)]
pub(super) struct At {
    request_id: Option<String>,
}

pub(super) async fn list(desk: Desk, Query(at): Query<At>) -> Result<Response, Problem> {
    assure_signs(&desk.kind)?;
    let back = Link { label: desk.kind.console.tab().into(), href: desk.href.clone(), current: false };
    Ok(answer_list(desk.app(), desk.account().id, &at, &desk.href, back, |title| desk.chrome(title)))
}

pub(super) async fn show(desk: Desk, Path(at): Path<BTreeMap<String, String>>) -> Result<Response, Problem> {
    assure_signs(&desk.kind)?;
    let id = at.get("request_id").ok_or_else(Problem::not_found)?;
    answer_one(desk.app(), desk.account().id, id, &desk.href, |title| desk.chrome(title))
}

/// Whether accounts of this kind have keys that sign.
pub(super) fn has_signing_keys(kind: &kind::Kind) -> bool {
    kind.credentials.kinds.contains(&Kind::Hmac)
}

fn assure_signs(kind: &kind::Kind) -> Result<(), Problem> {
    if has_signing_keys(kind) { Ok(()) } else { Err(Problem::not_found()) }
}

/// What a page shows of the latest refusals; `base` is the address below which the refusals are.
pub(super) fn part(app: &App, account: AccountId, public_id: Option<&str>, base: &str) -> RefusedPart {
    let now = app.clock.now();
    let rows = app.refusals.list(account, public_id);
    RefusedPart { search_href: format!("{base}/refusals"), rows: rows.iter().map(|refused| row(refused, base, now)).collect() }
}

fn row(refused: &RefusedSignature, base: &str, now: Timestamp) -> RefusalRow {
    RefusalRow {
        when: frame::when(refused.at, now),
        href: format!("{base}/refusals/{}", refused.request_id),
        request_id: refused.request_id.clone(),
        public_id: refused.public_id.clone(),
        why: refused.explanation.failure.to_string(),
    }
}

/// The list; or the one that was asked for, when it is remembered.
pub(super) fn answer_list(app: &App, account: AccountId, at: &At, base: &str, back: Link, chrome: impl Fn(&str) -> Chrome) -> Response {
    let asked = at.request_id.as_deref().map(str::trim).unwrap_or_default();
    if let Some(found) = app.refusals.find(account, asked) {
        return see(&format!("{base}/refusals/{}", found.request_id)).into_response();
    }
    let list = RefusalsPage { chrome: chrome("Refused requests"), back, query: asked.to_owned(), refusals: part(app, account, None, base) };
    page(list).into_response()
}

/// One refusal, explained.
pub(super) fn answer_one(app: &App, account: AccountId, request_id: &str, base: &str, chrome: impl Fn(&str) -> Chrome) -> Result<Response, Problem> {
    let refused = app.refusals.find(account, request_id).ok_or_else(Problem::not_found)?;
    let explanation = &refused.explanation;
    let header = |seen: &Seen| SeenHeader { name: seen.name.clone(), values: seen.values.clone() };
    let shown = RefusalPage {
        chrome: chrome("Refused request"),
        back: Link { label: "Refused requests".into(), href: format!("{base}/refusals"), current: false },
        row: row(&refused, base, app.clock.now()),
        code: explanation.failure.code(),
        clock: explanation.clock_difference_seconds.map_or_else(|| "No date could be read".to_owned(), difference),
        signing_string: explanation.signing_string.clone(),
        headers: explanation.headers_seen.iter().map(header).collect(),
    };
    Ok(page(shown).into_response())
}

/// By how much a signed date is later than our clock, as people say it.
fn difference(seconds: i64) -> String {
    let (count, unit) = match seconds.unsigned_abs() {
        0 => return "None: the signed date is ours to the second".into(),
        near @ 1..=119 => (near, "second"),
        far @ 120..=7_199 => (far / 60, "minute"),
        far => (far / 3_600, "hour"),
    };
    let many = if count == 1 { "" } else { "s" };
    let (exact, way) =
        (if unit == "second" { String::new() } else { format!(" ({} s)", seconds.unsigned_abs()) }, if seconds > 0 { "ahead of" } else { "behind" });
    format!("The signed date is {count} {unit}{many}{exact} {way} our clock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_difference_says_who_is_ahead() {
        for (seconds, said) in [
            (0, "None: the signed date is ours to the second"),
            (1, "The signed date is 1 second ahead of our clock"),
            (-301, "The signed date is 5 minutes (301 s) behind our clock"),
            (7_200, "The signed date is 2 hours (7200 s) ahead of our clock"),
        ] {
            assert_eq!(difference(seconds), said);
        }
    }
}
