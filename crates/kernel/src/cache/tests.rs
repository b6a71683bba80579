use std::{collections::BTreeSet, sync::Arc};

use super::Under;
use crate::{ids::Digest, values::Value};

#[test]
fn what_is_in_every_key_makes_another_key() {
    let labels = |all: &[&str]| -> BTreeSet<Arc<str>> { all.iter().map(|label| Arc::from(*label)).collect() };
    let (none, private) = (labels(&[]), labels(&["private"]));
    let under = Under {
        tenant: "main",
        project: "shop",
        bundle: Digest::of(&[b"one"]),
        workflow: "w",
        part: "rate",
        labels: &none,
    };
    let of = |under: Under<'_>| under.digest(b"kind", vec![("key", Value::from("x"))]);
    let others = [
        Under { tenant: "other", ..under },
        Under { project: "other", ..under },
        Under { bundle: Digest::of(&[b"two"]), ..under },
        Under { workflow: "other", ..under },
        Under { part: "other", ..under },
        Under { labels: &private, ..under },
    ];
    let mut keys: BTreeSet<Digest> = others.into_iter().map(of).collect();
    keys.insert(of(under));
    keys.insert(under.digest(b"kind", vec![("key", Value::from("y"))]));
    keys.insert(under.digest(b"other", vec![("key", Value::from("x"))]));
    assert_eq!(keys.len(), 9);
    assert_eq!(of(under), of(Under { labels: &labels(&[]), ..under }));
}
