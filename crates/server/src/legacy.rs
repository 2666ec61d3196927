//! `POST /legacy`: the operations of the older transports that are about the login itself: `checkUser` in SOAP and plain XML, and a change
//! of password in the text protocol. Everything else is the operator's own service, behind a gateway that verifies.
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use claviger_domain::{
    kind::Part,
    schemes::legacy::{
        LARGEST_BODY, Login, rule,
        text::{self, Answer},
        xml::{self, AccountDetails, Envelope, Fault},
    },
    secret::Plain,
};
use http_body_util::{BodyExt, Limited};

use crate::{
    app::{App, credentials},
    problem::Problem,
    request::Context,
    verify::{self, Entry, Kept, No},
};

/// Answers `checkUser`, and `NEWPASSWORD` of the text protocol, in the form they came in.
#[utoipa::path(
    post, operation_id = "legacy_call", path = "/legacy", tag = "legacy", request_body(content = String, content_type = "text/xml"),
    responses((status = 200, description = "The answer, or a fault of the text protocol", body = String, content_type = "text/xml"),
        (status = 500, description = "A fault of SOAP (SOAP 1.1, section 6.2), or of plain XML", body = String, content_type = "text/xml"),
        (status = 503, description = "Cannot say"))
)]
pub(crate) async fn call(State(app): State<App>, Extension(context): Extension<Context>, body: Body) -> Result<Response, Problem> {
    let collected = Limited::new(body, LARGEST_BODY + 1).collect().await;
    let Ok(body) = collected.map(|body| zeroize::Zeroizing::new(body.to_bytes().to_vec())) else {
        return Ok(fault(Fault::RequestSizeLimit, Envelope::Plain));
    };
    if body.starts_with(b"m4u") { by_text(&app, &context, &body).await } else { by_xml(&app, &context, &body).await }
}

async fn by_xml(app: &App, context: &Context, body: &[u8]) -> Result<Response, Problem> {
    let call = match xml::parse(body) {
        Ok(call) => call,
        Err(unreadable) => return Ok(fault(unreadable.into(), Envelope::guess(body))),
    };
    match log_in(app, context, &call.login).await? {
        None => Ok(fault(Fault::AuthenticationFailed, call.envelope)),
        // who may call is said; what the other operations do is not ours
        Some(_) if !call.is_check_user() => Ok(fault(Fault::InvalidDataFormat, call.envelope)),
        Some(_) => {
            let details = AccountDetails { kind: "daily", credit_limit: 0, credit_remaining: 0 };
            Ok(xml_answer(StatusCode::OK, details.answer(call.envelope)))
        }
    }
}

async fn by_text(app: &App, context: &Context, body: &[u8]) -> Result<Response, Problem> {
    let call = match text::parse(body) {
        Ok(call) => call,
        Err(unreadable) => return Ok(page(unreadable.into())),
    };
    let Some(entry) = log_in(app, context, &call.login).await? else { return Ok(page(Answer::AuthenticationFailed)) };
    let Some(password) = call.new_password else { return Ok(page(Answer::Ok)) };
    match change_password(app, context, &entry, password).await {
        Ok(()) => Ok(page(Answer::Ok)),
        Err(problem) if problem.status < 500 => Ok(page(Answer::NewPasswordRefused)),
        Err(problem) => Err(problem),
    }
}

/// The living credential behind a login; None when it is not one. Too many failures are told like a wrong password: these transports know no other word.
async fn log_in(app: &App, context: &Context, login: &Login) -> Result<Option<Kept<Entry>>, Problem> {
    match verify::password(app, &login.username, &login.password, context.source).await {
        Ok(entry) => {
            let living = verify::is_living(app, &entry, context.source).await.map_err(|_| Problem::cannot_say())?;
            Ok(living.then_some(entry))
        }
        Err(No::CannotSay) => Err(Problem::cannot_say()),
        Err(_) => Ok(None),
    }
}

async fn change_password(app: &App, context: &Context, entry: &Entry, password: Plain) -> Result<(), Problem> {
    rule::check_password(password.expose())?;
    let account = app.store.reader().await?.find_account(entry.account_id).await?.ok_or_else(Problem::not_found)?;
    let allowed = app.kinds.find(&account.kind).is_some_and(|kind| kind.credentials.edit.contains(&Part::Password));
    if !allowed {
        return Err(Problem::not_found());
    }
    credentials::change_own_password(app, context, entry, password).await
}

fn fault(fault: Fault, envelope: Envelope) -> Response {
    // SOAP 1.1 over HTTP: a fault is sent with 500; the plain form has no rule, and its clients look at the document
    let status = if envelope == Envelope::Soap { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    xml_answer(status, fault.answer(envelope))
}

fn xml_answer(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}")).into_response()
}

fn page(answer: Answer) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], answer.to_string()).into_response()
}
