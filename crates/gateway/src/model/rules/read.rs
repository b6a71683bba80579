//! From YAML to [`Rules`].

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    complaint::{Complaint, Complaints, did_you_mean},
    expr::RESERVED,
    schema::Schema,
    types::Type,
    workflow::project::Sources,
    yaml::{self, Fields, Key, Kind, Node},
};

use super::{
    Parts, Read, Rules, calibration::Calibration, compose::Composer, extract::Extractor, kind, lexicon::Lexicon,
    pattern::Shapes, scope::Scope, weigh::Weigher,
};

const KEYS: [&str; 9] =
    ["answers", "reads", "lexicons", "patterns", "weights", "extract", "compose", "calibration", "answer"];

/// What is known while a file is read.
pub(super) struct Reader<'a> {
    pub sources: &'a Sources,
    pub complaints: Complaints,
    pub shapes: Shapes,
    pub calibration: Calibration,
    pub reads: BTreeMap<Arc<str>, Read>,
    /// What the step was shown, for expressions.
    pub shown: Scope,
    /// Everything that has a score.
    pub scored: Vec<String>,
}

pub(super) fn rules(file: &Arc<str>, sources: &Sources) -> Result<Rules, Vec<Complaint>> {
    let Some(text) = sources.get(file) else {
        let rules = sources.files.keys().map(|path| &**path).filter(|path| path.starts_with("rules/"));
        let hint = did_you_mean(file, rules.collect::<Vec<_>>());
        let message = format!("the project has no file `{file}`");
        return Err(vec![Complaint::new("W012", file, None, message).or_hint(hint)]);
    };
    let node = yaml::parse(file, text).map_err(|complaint| vec![complaint])?;
    let mut reader = Reader {
        sources,
        complaints: Complaints::new(),
        shapes: Shapes::default(),
        calibration: Calibration::default(),
        reads: BTreeMap::new(),
        shown: Scope::default(),
        scored: Vec::new(),
    };
    let rules = reader.file(file, &node);
    reader.complaints.finish(rules)
}

impl Reader<'_> {
    fn file(&mut self, file: &Arc<str>, node: &Node) -> Option<Rules> {
        let fields = Fields::new(node, "a file of rules", &KEYS, &[], &mut self.complaints)?;
        let schema = fields.required("answers", &mut self.complaints).and_then(|node| self.schema(node));
        if let Some(reads) = fields.required("reads", &mut self.complaints) {
            for (key, node) in reads.map(&mut self.complaints).unwrap_or_default() {
                self.read(key, node);
            }
        }
        for (key, node) in fields.map("lexicons", &mut self.complaints) {
            self.name(key, node, &kind::WORDS);
            if let Some(lexicon) = Lexicon::read(node, self.sources, &mut self.complaints) {
                self.shapes.add_lexicon(&key.text, lexicon, node, &mut self.complaints);
            }
        }
        for (key, node) in fields.map("patterns", &mut self.complaints) {
            self.name(key, node, &[]);
            if self.shapes.has(&key.text) {
                self.twice(key, node, "a lexicon");
            }
            self.shapes.add_pattern(&key.text, node, &mut self.complaints);
        }
        if let Some(node) = fields.get("calibration") {
            self.calibration = Calibration::read(node, &mut self.complaints);
        }
        let mut scope = self.shown.clone().without_confidence();
        let weights = self.parts(&fields, "weights", &mut scope, Weigher::read);
        let extract = self.parts(&fields, "extract", &mut scope, Extractor::read);
        let compose = self.parts(&fields, "compose", &mut scope, |node, _, reader| Composer::read(node, reader));
        self.calibration.check(&self.scored, &mut self.complaints);
        let before = self.complaints.has_errors();
        let answer = fields.required("answer", &mut self.complaints)?;
        // What a part with a fault would have given is not known: no second complaint about it.
        let (template, ty) = match before {
            true => return None,
            false => scope.template(answer, &mut self.complaints)?,
        };
        if let Some(why) = schema.as_ref().and_then(|schema| schema.ty().refusal(&ty)) {
            let path = fields.opt_text("answers", &mut self.complaints).unwrap_or_default();
            let at = meant(answer, &why);
            self.complaints.push(at.complaint("W025", format!("the answer does not fit {path}: {why}")));
        }
        let reads = std::mem::take(&mut self.reads);
        let parts = Parts { file: file.clone(), reads, weights, extract, compose, answer: template };
        Some(Rules { parts: Arc::new(parts) })
    }

    /// The parts under one key, each with a name of its own that `answer:` can read.
    fn parts<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        scope: &mut Scope,
        read: impl Fn(&Node, &str, &mut Self) -> Option<(T, Type)>,
    ) -> Vec<(Arc<str>, T)> {
        let mut parts = Vec::new();
        for (key, node) in fields.map(key, &mut self.complaints) {
            self.name(key, node, &[]);
            if scope.has(&key.text) {
                self.twice(key, node, "what is read, or another result");
            }
            if let Some((part, ty)) = read(node, &key.text, self) {
                scope.add(key.text.clone(), ty);
                parts.push((key.text.clone(), part));
            }
        }
        parts
    }

    fn twice(&mut self, key: &Key, node: &Node, what: &str) {
        let message = format!("`{}` is the name of {what} as well", key.text);
        self.complaints.push(Complaint::new("W021", &node.file, key.span, message));
    }

    /// Complains about a name that expressions could not read.
    pub(super) fn name(&mut self, key: &Key, node: &Node, taken: &[&str]) {
        let name = &*key.text;
        let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let message = if !fits {
            format!("`{name}` is no name: lower-case letters, digits and `_`, beginning with a letter")
        } else if taken.contains(&name) {
            format!("`{name}` means something here already")
        } else {
            return;
        };
        self.complaints.push(Complaint::new("W020", &node.file, key.span, message));
    }

    fn schema(&mut self, node: &Node) -> Option<Arc<Schema>> {
        let path = node.text(&mut self.complaints)?;
        let Some(text) = self.sources.get(&path) else {
            let files = self.sources.files.keys().map(|path| &**path).filter(|path| path.starts_with("schemas/"));
            let hint = did_you_mean(&path, files.collect::<Vec<_>>());
            self.complaints.push(node.complaint("W012", format!("the project has no file `{path}`")).or_hint(hint));
            return None;
        };
        let inner = self.complaints.take(yaml::parse(&path, text))?;
        self.complaints.take_all(Schema::load(&path, &inner))
    }

    /// `reads: { name: kind }`.
    fn read(&mut self, key: &Key, node: &Node) {
        if RESERVED.contains(&&*key.text) {
            self.name(key, node, &RESERVED);
        } else {
            self.name(key, node, &[]);
        }
        let read = match &node.kind {
            Kind::List(_) => node.texts(&mut self.complaints).map(|keys| Read::Items(keys.into())),
            _ => {
                let words = Read::WORDS.iter().map(|(word, _)| *word);
                let words: Vec<String> = words.flat_map(|word| [word.to_owned(), format!("{word}?")]).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                node.one_of(&words, &mut self.complaints).and_then(Read::of_word)
            }
        };
        let Some(read) = read else {
            // A name that has a fault is known all the same, so that the fault is told once.
            self.shown.add(key.text.clone(), Type::Any);
            return;
        };
        self.shown.add(key.text.clone(), read.ty());
        self.reads.insert(key.text.clone(), read);
    }

    /// `in: name` or `in: [names]`, each of a text.
    pub(super) fn texts(&mut self, fields: &Fields<'_>) -> Vec<Arc<str>> {
        let Some(node) = fields.required("in", &mut self.complaints) else { return Vec::new() };
        let nodes = match &node.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        nodes.iter().filter_map(|node| self.text_name(node)).collect()
    }

    /// The name of a text that is read.
    pub(super) fn text_name(&mut self, node: &Node) -> Option<Arc<str>> {
        self.name_of(node, "a text", |read| matches!(read, Read::Text | Read::MaybeText))
    }

    /// The name of a list that is read.
    pub(super) fn list_name(&mut self, node: &Node) -> Option<Arc<str>> {
        self.name_of(node, "a list", |read| matches!(read, Read::List | Read::MaybeList))
    }

    /// The keys of the items of a list that is read.
    pub(super) fn keys_of(&mut self, name: &Arc<str>, node: &Node) -> Option<Arc<[Arc<str>]>> {
        self.name_of(node, "a list of maps, as in `reads: { notes: [id, field, value] }`", |read| {
            matches!(read, Read::Items(_))
        })?;
        match self.reads.get(name) {
            Some(Read::Items(keys)) => Some(keys.clone()),
            _ => None,
        }
    }

    fn name_of(&mut self, node: &Node, what: &str, fits: impl Fn(&Read) -> bool) -> Option<Arc<str>> {
        let name = node.text(&mut self.complaints)?;
        match self.reads.get(&name) {
            Some(read) if fits(read) => Some(name),
            Some(_) => {
                self.complaints.push(node.complaint("E003", format!("`{name}` is not read as {what}")));
                None
            }
            None if self.shown.has(&name) => None,
            None => {
                let hint = did_you_mean(&name, self.reads.keys().map(|name| &**name));
                let message = format!("`reads` has no `{name}`");
                self.complaints.push(node.complaint("E002", message).or_hint(hint));
                None
            }
        }
    }

    /// The key of an item that stands under `key`, or `default`; it must be one of `keys`.
    pub(super) fn key(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        default: Option<&str>,
        keys: &[Arc<str>],
    ) -> Option<Arc<str>> {
        let (node, word) = match fields.get(key) {
            Some(node) => (node, node.text(&mut self.complaints)?),
            None => (fields.node, default?.into()),
        };
        if keys.contains(&word) {
            return Some(word);
        }
        let hint = did_you_mean(&word, keys.iter().map(|key| &**key));
        let message = format!("the items have no `{word}` for `{key}`");
        self.complaints.push(node.complaint("E002", message).or_hint(hint));
        None
    }

    /// A number from 0 to 1.
    pub(super) fn share(&mut self, node: &Node) -> Option<f64> {
        let number = node.number(&mut self.complaints)?;
        if (0.0..=1.0).contains(&number) {
            return Some(number);
        }
        self.complaints.push(node.expected("a number from 0 to 1"));
        None
    }
}

/// The part of the answer that a refusal such as "`/staff/0`: a text where …" means, as far as it is written out.
fn meant<'n>(answer: &'n Node, why: &str) -> &'n Node {
    let path = why.strip_prefix("`/").and_then(|rest| rest.split('`').next()).unwrap_or_default();
    let mut node = answer;
    for key in path.split('/') {
        let next = match &node.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _)| &*name.text == key).map(|(_, node)| node),
            Kind::List(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            Kind::Scalar { .. } => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    node
}
