//! `POST /v1/verify:batch`: many questions in one request, each with its own answer. A bad one spoils no other.
use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use claviger_domain::invalid::Invalid;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::api::{self, Answer, Question};
use crate::{
    app::App,
    body,
    problem::Problem,
    request::{self, Context},
};

/// The most questions in one request.
const MOST: usize = 100;

/// Questions, answered in their order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Questions {
    /// 1 to 100 of them.
    #[schema(value_type = Vec<Question>)]
    questions: Vec<Box<RawValue>>,
}

/// The answers, in the order of the questions.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answers {
    answers: Vec<OneAnswer>,
}

/// A verdict, or why there is none: a problem (RFC 9457), 422 for a question that is no question, 503 for one that cannot be answered now.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum OneAnswer {
    /// A verdict.
    Verdict(Box<Answer>),
    /// None.
    Problem {
        #[schema(value_type = Object)]
        problem: serde_json::Value,
    },
}

/// Judges up to 100 requests.
#[utoipa::path(
    post, path = "/v1/verify:batch", tag = "verification", request_body = Questions,
    responses((status = 200, description = "A verdict or a problem for each", body = Answers))
)]
pub(crate) async fn verify_batch(
    State(app): State<App>,
    Extension(context): Extension<Context>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answers>, Problem> {
    let Questions { questions } = api::read(&headers, body).await?;
    if questions.is_empty() || questions.len() > MOST {
        return Err(Invalid::new("questions", "wrong_count", "Send 1 to 100 questions.").into());
    }
    let mut answers = Vec::with_capacity(questions.len());
    for (at, question) in questions.iter().enumerate() {
        let request_id = format!("{}.{at}", context.request_id);
        let answer = match body::parse::<Question>(question.get().as_bytes()) {
            Ok(question) => api::judged(&app, question, request_id.clone()).await,
            Err(problem) => Err(problem),
        };
        answers.push(match answer {
            Ok(answer) => OneAnswer::Verdict(Box::new(answer)),
            Err(problem) => OneAnswer::Problem { problem: request::problem_json(&problem, &request_id) },
        });
    }
    Ok(Json(Answers { answers }))
}
