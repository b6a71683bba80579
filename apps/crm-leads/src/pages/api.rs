//! `POST /app/api/leads`: a program adds a lead, by the same rule as the form and the import.

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;
use surefoot::pages::{Caller, Failed};

use crate::crm::{
    self, Act, Added, Crm,
    draft::{self, Draft, Found},
};

pub(super) async fn add(
    caller: Caller,
    Extension(crm): Extension<Crm>,
    Json(draft): Json<Draft>,
) -> Result<Response, Failed> {
    if !caller.is_program() {
        return Err(Failed::refused("a browser adds leads on the page").hint("open Add a lead"));
    }
    let clean = match draft::check(&draft, &caller.people()) {
        Ok(clean) => clean,
        Err(wrong) => {
            let wrong: Vec<_> = wrong.into_iter().map(|(part, says)| json!({ "part": part, "says": says })).collect();
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "wrong": wrong }))).into_response());
        }
    };
    let now_us = caller.site().now().micros();
    let added = crm.with(move |db| crm::add(db, &clean, ("api", ""), false, &Act { by: "api", now_us })).await?;
    Ok(match added {
        Added::New(id) => {
            crm.tell();
            (StatusCode::CREATED, Json(json!({ "lead": id }))).into_response()
        }
        Added::Known(Found::Same { id, by, .. }) => Json(json!({ "lead": id, "known_by": by.told() })).into_response(),
        Added::Known(Found::Unclear(all)) => {
            let ids: Vec<_> = all.into_iter().map(|(id, _)| id).collect();
            (StatusCode::CONFLICT, Json(json!({ "could_be": ids }))).into_response()
        }
        Added::Known(Found::New) => StatusCode::CONFLICT.into_response(),
    })
}
