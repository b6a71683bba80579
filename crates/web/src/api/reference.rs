//! What the API is, said by itself: the OpenAPI document, and the same for people.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};
use serde_json::{Value, json};
use utoipa::{
    PartialSchema as _,
    openapi::{
        ContentBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder, Ref, RefOr, ResponseBuilder, ServerBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{assets, problem::Problem, server::App};

/// The OpenAPI 3.1 document, as it is committed: `docs/openapi.json`.
pub fn document() -> String {
    let mut text = serde_json::to_string_pretty(&*DOCUMENT).unwrap_or_default();
    text.push('\n');
    text
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut api = super::described().into_openapi();
    let license = LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build();
    let about = "Runs, what they ask of people, and what they may spend. What is not done is a problem of RFC 9457.";
    let info = InfoBuilder::new()
        .title("Surefoot")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .license(Some(license))
        .build();
    let problem = ResponseBuilder::new()
        .description("It is not done")
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        )
        .build();
    for item in api.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            for response in operation.responses.responses.values_mut() {
                // The specification wants one.
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description = "As it stands now".to_owned();
                }
            }
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
    let components = api.components.get_or_insert_default();
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The token of the file `api.token` in the data directory. A page of the server has its session instead.",
    ));
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    let api = OpenApiBuilder::new()
        .info(info)
        .servers(Some([ServerBuilder::new().url("/api/v1").build()]))
        .paths(api.paths)
        .components(api.components)
        .security(Some([SecurityRequirement::new("token", [""; 0])]))
        .build();
    serde_json::to_value(api).unwrap_or_default()
});

/// This document
///
/// Anybody may read it.
#[utoipa::path(get, path = "/openapi.json", operation_id = "get_openapi", tag = "About the API", security(()), responses((status = OK, body = Value)))]
pub(super) async fn openapi(State(app): State<App>) -> Json<Value> {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": format!("{}/api/v1", app.site.base()) }]);
    Json(document)
}

/// The same as a page
///
/// Anybody may read it.
#[utoipa::path(get, path = "/docs", operation_id = "get_docs", tag = "About the API", security(()), responses((status = OK, content_type = "text/html", body = String)))]
pub(super) async fn docs(State(app): State<App>) -> Result<Response, Problem> {
    let page = ReferencePage::of(&DOCUMENT, format!("{}/api/v1", app.site.base()));
    match page.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this page cannot be written"))
        }
    }
}

#[derive(Template)]
#[template(path = "reference.html")]
struct ReferencePage {
    style: &'static str,
    base: String,
    version: String,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
}

/// What belongs together.
struct Group {
    name: String,
    parts: Vec<Part>,
}

/// One request, and what it does.
struct Part {
    id: String,
    method: String,
    path: String,
    summary: String,
    more: String,
    open: bool,
    params: Vec<Field>,
    body: Option<Kind>,
    answers: Vec<Answer>,
}

struct Answer {
    status: String,
    says: String,
    kind: Option<Kind>,
}

/// What travels: as what, and of which shape.
struct Kind {
    media: String,
    ty: String,
    /// The shape in which it is told further.
    shape: String,
}

/// A parameter, or a field of a shape.
struct Field {
    name: String,
    place: String,
    ty: String,
    shape: String,
    must: bool,
    says: String,
}

/// A schema with a name.
struct Shape {
    name: String,
    says: String,
    ty: String,
    fields: Vec<Field>,
}

impl ReferencePage {
    fn of(document: &Value, base: String) -> ReferencePage {
        let mut groups: Vec<Group> = Vec::new();
        for (path, item) in entries(&document["paths"]) {
            for (method, operation) in entries(item) {
                let name = text(&operation["tags"][0]);
                let part = part(path, method, operation);
                match groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.parts.push(part),
                    None => groups.push(Group { name, parts: vec![part] }),
                }
            }
        }
        groups.sort_by_key(|group| (group.name == "About the API", group.name.clone()));
        let shapes = entries(&document["components"]["schemas"]).map(|(name, schema)| shape(name, schema)).collect();
        let version = text(&document["info"]["version"]);
        ReferencePage { style: &assets::NAMES.style, base, version, groups, shapes }
    }
}

fn part(path: &str, method: &str, operation: &Value) -> Part {
    let params = list(&operation["parameters"]).map(|param| {
        let (ty, shape) = ty(&param["schema"]);
        let must = param["required"] == true;
        Field {
            name: text(&param["name"]),
            place: text(&param["in"]),
            ty,
            shape,
            must,
            says: text(&param["description"]),
        }
    });
    let answers = entries(&operation["responses"]).flat_map(|(status, response)| {
        let says = text(&response["description"]);
        let mut kinds: Vec<Option<Kind>> = entries(&response["content"]).map(|one| Some(kind(one))).collect();
        if kinds.is_empty() {
            kinds.push(None);
        }
        let status = if status == "default" { "else" } else { status };
        kinds.into_iter().map(move |kind| Answer { status: status.to_owned(), says: says.clone(), kind })
    });
    Part {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        more: text(&operation["description"]),
        open: list(&operation["security"]).any(|one| entries(one).next().is_none()),
        params: params.collect(),
        body: entries(&operation["requestBody"]["content"]).next().map(kind),
        answers: answers.collect(),
    }
}

fn kind((media, content): (&str, &Value)) -> Kind {
    let (ty, shape) = ty(&content["schema"]);
    Kind { media: media.to_owned(), ty, shape }
}

fn shape(name: &str, schema: &Value) -> Shape {
    let mut fields = Vec::new();
    collect(schema, &mut fields);
    let ty = if fields.is_empty() { ty(schema).0 } else { String::new() };
    Shape { name: name.to_owned(), says: text(&schema["description"]), ty, fields }
}

/// The fields of a schema, and of those that it takes in.
fn collect(schema: &Value, fields: &mut Vec<Field>) {
    for part in list(&schema["allOf"]) {
        match part["$ref"].as_str() {
            Some(_) => {
                let (ty, shape) = ty(part);
                let says = format!("all fields of {ty}");
                fields.push(Field { name: "…".to_owned(), place: String::new(), ty, shape, must: true, says });
            }
            None => collect(part, fields),
        }
    }
    let must: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
    for (name, field) in entries(&schema["properties"]) {
        let (ty, shape) = ty(field);
        let (must, says) = (must.contains(&name), text(&field["description"]));
        fields.push(Field { name: name.to_owned(), place: String::new(), ty, shape, must, says });
    }
}

/// A schema in a few words, and the name of the shape in which it is told further.
fn ty(schema: &Value) -> (String, String) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return (name.to_owned(), name.to_owned());
    }
    let several = list(&schema["oneOf"]).chain(list(&schema["anyOf"])).map(ty).collect::<Vec<_>>();
    if !several.is_empty() {
        let shape = several.iter().map(|(_, shape)| shape.clone()).find(|shape| !shape.is_empty()).unwrap_or_default();
        return (several.into_iter().map(|(ty, _)| ty).collect::<Vec<_>>().join(" or "), shape);
    }
    let values: Vec<String> = list(&schema["enum"]).map(Value::to_string).collect();
    if !values.is_empty() {
        return (values.join(", "), String::new());
    }
    let mut names: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        several => list(several).filter_map(Value::as_str).collect(),
    };
    let mut shape = String::new();
    let mut words = Vec::new();
    names.sort_by_key(|name| *name == "null");
    for name in names {
        words.push(match name {
            "array" => {
                let (item, further) = ty(&schema["items"]);
                shape = further;
                format!("list of {item}")
            }
            "object" if schema["additionalProperties"].is_object() => {
                let (item, further) = ty(&schema["additionalProperties"]);
                shape = further;
                format!("{item} by name")
            }
            name => name.to_owned(),
        });
    }
    if words.is_empty() { ("any JSON".to_owned(), shape) } else { (words.join(" or "), shape) }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
