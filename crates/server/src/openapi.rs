//! The public contract as an OpenAPI 3.1 document: what the handlers say of themselves, and what holds for all of them.
use axum::http::StatusCode;
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        ContentBuilder, Object, Ref, RefOr, Required, Response, Type,
        path::{Operation, ParameterBuilder, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::router::{gateway_routes, key_routes, operator_routes, public_routes};

/// A refusal (RFC 9457), sent as `application/problem+json`.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "a description; the document itself is written by hand, where the request's id is known")]
struct ProblemDocument {
    /// `urn:claviger:problem:` and the code.
    r#type: String,
    title: String,
    status: u16,
    /// This occasion, and what to do.
    detail: String,
    /// Stable, for programs.
    code: String,
    request_id: String,
    /// The scopes that were missing, where that is why.
    #[schema(required = false)]
    required_scopes: Vec<String>,
    /// The fields that are wrong, where some are.
    #[schema(required = false)]
    errors: Vec<WrongField>,
}

/// A wrong field: where, and why.
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
struct WrongField {
    /// A JSON pointer (RFC 6901), in URI fragment form.
    pointer: String,
    /// Stable, for programs.
    code: String,
    detail: String,
}

/// A refusal of the endpoints under `/oauth2/` (RFC 6749, section 5.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "as above")]
struct OauthProblem {
    error: String,
    error_description: String,
}

/// The public contract, as an OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(title = "Claviger", description = "Management, token and verification API."),
        components(schemas(ProblemDocument, WrongField, OauthProblem))
    )]
    struct Document;

    let (_, operator) = operator_routes().split_for_parts();
    let (_, keys) = key_routes().split_for_parts();
    let (_, public) = public_routes().split_for_parts();
    let (_, gateway) = gateway_routes().split_for_parts();
    let mut document = Document::openapi();
    document.merge(secured(answering_later(operator), "operator_key"));
    document.merge(secured(answering_later(keys), "api_key"));
    document.merge(public);
    document.merge(gateway);
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
            declare_path_parameters(path, operation);
            describe_answers(path, operation);
        }
    }
    let operator_key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("An operator API key")).build();
    let api_key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A customer's API key; X-API-Key too")).build();
    let client = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("A client id and its secret; or `operator` and an operator API key"))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("operator_key", SecurityScheme::Http(operator_key));
    components.add_security_scheme("api_key", SecurityScheme::Http(api_key));
    components.add_security_scheme("client", SecurityScheme::Http(client));
    document
}

/// A template's `{id}` is a required parameter; the handlers' own extractors do not say so. What a handler declares itself stays as it is.
fn declare_path_parameters(path: &str, operation: &mut Operation) {
    let own = operation.parameters.take().unwrap_or_default();
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let is_own = |name: &&str| own.iter().any(|own| matches!(own, RefOr::T(own) if own.name == *name && own.parameter_in == ParameterIn::Path));
    let declared = names.filter(|name| !is_own(name)).map(|name| {
        let text = Object::builder().schema_type(Type::String).build();
        RefOr::T(ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True).schema(Some(text)).build())
    });
    let declared: Vec<_> = declared.collect();
    let all: Vec<_> = declared.into_iter().chain(own).collect();
    operation.parameters = (!all.is_empty()).then_some(all);
}

/// Every answer has a description, and every refusal a body. Those that any operation can give, whatever it is about, are the default one.
fn describe_answers(path: &str, operation: &mut Operation) {
    let (kind, schema) = if path.starts_with("/oauth2/") { ("application/json", "OauthProblem") } else { ("application/problem+json", "Problem") };
    let body = || ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    for (status, answer) in &mut operation.responses.responses {
        let RefOr::T(answer) = answer else { continue };
        if answer.description.is_empty() {
            let status = status.parse::<StatusCode>().ok();
            status.and_then(|status| status.canonical_reason()).unwrap_or("Done").clone_into(&mut answer.description);
        }
        if status.starts_with(['4', '5']) && answer.content.is_empty() {
            answer.content.insert(kind.to_owned(), body().into());
        }
    }
    const ANY: &str = "Any other refusal: the request cannot be read (400, 413, 415), a field is wrong (422), there is none (404), it cannot be said (503, \
                       with `Retry-After`); see docs/errors.md";
    let mut any = Response::new(ANY);
    any.content.insert(kind.to_owned(), body().into());
    operation.responses.responses.insert("default".to_owned(), RefOr::T(any));
}

/// `part`, with what `--revocation-wait bounded` makes of the answer to a change: see `request.rs`.
fn answering_later(mut part: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    const LATER: &str = "With `--revocation-wait bounded`: done, and true on every node at `Effective-At` at the latest; \
                         `Revocation-Complete: false`. The body is that of 200, if there is one";
    for item in part.paths.paths.values_mut() {
        for operation in [&mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            if let Some(RefOr::T(done)) = responses.get("200").or_else(|| responses.get("204")) {
                let mut later = done.clone();
                LATER.clone_into(&mut later.description);
                responses.insert("202".to_owned(), RefOr::T(later));
            }
        }
    }
    part
}

/// `part`, every operation of which asks for the scheme `name`, and answers 401 without it.
fn secured(mut part: utoipa::openapi::OpenApi, name: &str) -> utoipa::openapi::OpenApi {
    for item in part.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>(name, [])]);
            let refused = || RefOr::T(Response::new("No credential, or one that is not accepted; with `WWW-Authenticate`"));
            operation.responses.responses.entry("401".to_owned()).or_insert_with(refused);
        }
    }
    part
}
