//! `/verify/forward`: Caddy, Traefik, APISIX, HAProxy and Apache, which tell of the request in `X-Forwarded-*` and pass on what we answer.
//!
//! What the route needs stands in the address of the check (`?require=orders:read`), where no client can write.
use std::net::IpAddr;

use bytes::Bytes;
use claviger_domain::schemes::{self, signing::Body};
use http_body_util::Full;
use hyper::{HeaderMap, Request, Response};

use super::{
    Demand, HeaderFields, Question,
    handed::{self, HandedBody},
    reply::{self, Reply},
};
use crate::{app::App, request};

/// The handler, for the router's sake; the gateway listener calls [`answer_forward`] directly.
pub(crate) async fn forward(axum::extract::State(app): axum::extract::State<App>, request: axum::extract::Request) -> Response<axum::body::Body> {
    answer_forward(&app, request).await.map(axum::body::Body::new)
}

pub(crate) async fn answer_forward<B: HandedBody>(app: &App, request: Request<B>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    let fields = HeaderFields::with_host(headers, "x-forwarded-host");
    let request_id = request::request_id_from(app, fields.told("x-request-id"));
    let body = match handed::read(body).await {
        Ok(body) => body,
        Err(problem) => return Reply::body_refused(&problem, &request_id).into_http(),
    };
    let (Some(method), Some(target)) = (fields.told("x-forwarded-method"), fields.told("x-forwarded-uri")) else {
        return Reply::not_asked_properly("The gateway must send X-Forwarded-Method and X-Forwarded-Uri, each once.", &request_id).into_http();
    };
    let request = schemes::Request { method, target, fields: &fields, client_ip: client_ip(headers) };
    // an empty body proves nothing: these gateways hand over one or none, whatever the client sent
    let body = if body.is_empty() { Body::NotSeen } else { Body::Given(&body) };
    let required = required(parts.uri.query(), target.split_once('?').map(|(_, query)| query));
    let Some(require) = required.as_ref().and_then(|words| words.as_deref().map_or(Some(Demand::default()), Demand::of)) else {
        return Reply::not_asked_properly("The address of the check takes ?require= and what the route needs, and nothing else.", &request_id)
            .into_http();
    };
    reply::reply(app, &Question { request, body, require, secure: fields.told("x-forwarded-proto") == Some("https"), request_id: &request_id })
        .await
        .into_http()
}

/// The last address in `X-Forwarded-For`: the one that the gateway itself has seen. Those before it are hearsay.
pub(super) fn client_ip(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// The scopes in `?require=`, joined by blanks; Some(None) where there is no query. None where it asks for something that is no demand, or demands
/// nothing: a demand that is not understood would be one that is not made.
///
/// A query that is the client's own was written there by a gateway that was given none (Caddy): it demands nothing, and must not seem to.
fn required(query: Option<&str>, clients: Option<&str>) -> Option<Option<String>> {
    let pairs: Vec<(String, String)> = query.map_or(Ok(Vec::new()), serde_urlencoded::from_str).ok()?;
    if query == clients || pairs.is_empty() {
        let seems_to = |(name, _): &(String, String)| name.to_ascii_lowercase().starts_with("require");
        return (!pairs.iter().any(seems_to)).then_some(None);
    }
    let demands = pairs.into_iter().map(|(name, value)| (name == "require" && Demand::of(&value).is_some()).then_some(value));
    Some(Some(demands.collect::<Option<Vec<_>>>()?.join(" ")))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn the_client_is_who_the_gateway_saw_and_not_whom_the_client_names() {
        for (values, seen) in [
            (&["203.0.113.9, 192.0.2.1"][..], Some("192.0.2.1")),
            (&["203.0.113.9", "2001:db8::1"], Some("2001:db8::1")),
            (&["192.0.2.1, "], None),
            (&["192.0.2.1, unknown"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", HeaderValue::from_static(value));
            }
            assert_eq!(client_ip(&headers).map(|ip| ip.to_string()).as_deref(), seen, "{values:?}");
        }
    }

    #[test]
    fn what_a_route_needs_is_read_from_the_address_of_the_check() {
        assert_eq!(required(Some("require=a:b%20c:d&require=e:f"), Some("page=1")), Some(Some("a:b c:d e:f".to_owned())));
        for nothing in [None, Some("")] {
            assert_eq!(required(nothing, None), Some(None));
            assert_eq!(required(nothing, Some("require=a:b")), Some(None));
        }
        for mistaken in
            ["requires=a:b", "REQUIRE=a:b", "require=", "require=%20", "require=%2C+,", "require=a:b&require=,", "require", "require=a:b&x=y"]
        {
            assert_eq!(required(Some(mistaken), None), None, "{mistaken}");
        }
    }

    #[test]
    fn what_the_client_wrote_demands_nothing_and_does_not_seem_to() {
        for (clients, require) in
            [("page=1", Some(None)), ("", Some(None)), ("require=a:b", None), ("page=1&Require=", None), ("%72equire=a:b", None)]
        {
            assert_eq!(required(Some(clients), Some(clients)), require, "{clients}");
        }
    }
}
