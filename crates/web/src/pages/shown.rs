//! `GET /runs/{run}/shown/{entry}`: what exactly was a model shown? Its request is made again from the journal.

use askama::Template;
use axum::extract::Path;
use kernel::{
    context::{ModelRequest, Turn},
    why::{Origin, Origins},
};
use runtime::{asked, record::Record};

use super::{Failed, Layout, Shown, Viewer, run::named, show, why};
use crate::{
    problem::Problem,
    view::{
        context::{self, Call},
        words,
    },
};

#[derive(Template)]
#[template(path = "shown.html")]
struct ShownPage {
    layout: Layout,
    run: String,
    why: String,
    call: Call,
    /// Where the data of each piece came from.
    sources: Vec<Source>,
    texts: Vec<Text>,
    /// Why the texts are not there.
    missing: Option<String>,
}

/// A piece that an expression gave.
struct Source {
    id: String,
    source: String,
    from: Vec<From>,
}

/// Where a value came from.
pub(super) struct From {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) from: String,
    pub(super) href: Option<String>,
}

/// A part of the request, as it was sent.
struct Text {
    what: String,
    text: String,
    /// What ends here.
    edge: &'static str,
}

/// Where a value came from, with the way to the entry that holds it.
pub(super) fn from(viewer: &Viewer, run: &str, origin: Origin) -> From {
    From {
        name: words::plain(&origin.name),
        value: words::plain(&origin.value),
        href: origin.entry.map(|seq| viewer.path(format_args!("/runs/{run}?entry={seq}#entry"))),
        from: origin.from,
    }
}

pub(super) async fn page(viewer: Viewer, Path((run, seq)): Path<(String, u64)>) -> Shown {
    let id = named(&run)?;
    let run = id.to_string();
    let runtime = viewer.app.site.runtime();
    let Record { entries, state, program, .. } = runtime.record(id).await?;
    let call = context::calls(&entries).into_iter().find(|call| call.seq == seq);
    let call =
        call.ok_or_else(|| -> Failed { Problem::not_found(format!("entry {seq} of run {run} asks no model")).into() })?;
    let (mut texts, mut missing) = (Vec::new(), None);
    match &program {
        None => missing = Some("this version cannot read the files that the run follows".to_owned()),
        Some(program) => match asked::one(&**runtime.store(), id, &entries, program, seq).await?.map(|one| one.request)
        {
            Some(Ok(request)) => texts = parts(&request),
            Some(Err(why)) => missing = Some(why.to_string()),
            None => missing = Some("an entry before it does not fit".to_owned()),
        },
    }
    let origins = Origins::of(&entries, &state, program.as_deref());
    let sources = call.pieces.iter().filter_map(|piece| {
        let source = piece.source.clone()?;
        let from = origins.of_expression(&call.path, &source).into_iter().map(|one| from(&viewer, &run, one));
        Some(Source { id: piece.id.clone(), from: from.collect(), source: words::plain(&source) })
    });
    let page = ShownPage {
        layout: viewer.layout(
            "What a model was shown",
            "What exactly did it see, and where did that come from?",
            "runs",
        ),
        why: why::href(&viewer, id, call.path.as_str()),
        sources: sources.collect(),
        run,
        call,
        texts,
        missing,
    };
    show(&page)
}

/// The request in the order in which a model reads it.
fn parts(request: &ModelRequest) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut from = 0;
    for (place, edge) in request.edges.iter().enumerate() {
        // What no text stands in ends nowhere else.
        let Some(text) = request.system.get(from..*edge).filter(|text| !text.is_empty()) else { continue };
        let (what, edge_says) = match place {
            0 => ("system, shared layer", "the shared layer ends here: a cache may hold what stands before"),
            _ => ("system, stage layer", "the stage layer ends here: a cache may hold what stands before"),
        };
        texts.push(Text { what: what.to_owned(), text: words::plain(text), edge: edge_says });
        from = *edge;
    }
    let rest = request.system.get(from..).unwrap_or_default();
    let mut add = |what: &str, text: &str| {
        if !text.is_empty() {
            let what = format!("{what}, {} bytes", text.len());
            texts.push(Text { what, text: words::plain(text), edge: "" });
        }
    };
    add("system", rest);
    add("user", &request.user);
    for turn in &request.turns {
        match turn {
            Turn::Said { text, proposed, .. } => {
                add("the model said", text);
                for one in proposed {
                    add(&format!("it proposed {}", words::plain(&one.name)), &one.arguments.to_json());
                }
            }
            Turn::Returned(all) => {
                for one in all {
                    let failed = if one.failed { ", which was not done" } else { "" };
                    add(&format!("it was told of {}{failed}", words::plain(&one.name)), &one.text);
                }
            }
            Turn::Told(text) => add("it was told", text),
        }
    }
    for offer in request.offers.iter() {
        let text = format!("{}\n{}", offer.says, offer.params.json());
        add(&format!("it may propose {}", words::plain(&offer.name)), &text);
    }
    if let Some(schema) = &request.output_schema {
        add("its answer must fit", &schema.json().to_string());
    }
    texts
}
