//! The console's static files, compiled in. A file's name holds its digest, so that a browser may keep it for ever.
use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

use crate::problem::Problem;

struct Asset {
    name: String,
    media_type: &'static str,
    text: &'static str,
}

fn asset(stem: &str, extension: &str, media_type: &'static str, text: &'static str) -> Asset {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..6]);
    Asset { name: format!("{stem}-{digest}.{extension}"), media_type, text }
}

static ASSETS: LazyLock<[Asset; 3]> = LazyLock::new(|| {
    [
        asset("console", "css", "text/css; charset=utf-8", include_str!("../../assets/console.css")),
        asset("console", "js", "text/javascript; charset=utf-8", include_str!("../../assets/console.js")),
        asset("favicon", "svg", "image/svg+xml", include_str!("../../assets/favicon.svg")),
    ]
});

/// The addresses of style, script and icon.
pub(super) fn hrefs() -> [String; 3] {
    [0, 1, 2].map(|at| format!("/assets/{}", ASSETS[at].name))
}

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.media_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
                (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
                (header::REFERRER_POLICY, "no-referrer"),
            ];
            (headers, asset.text).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}
