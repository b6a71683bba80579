//! A page's markup as a tree, within limits.
//!
//! The parser is html5ever, which reads what browsers read; the tree is ours, because a stranger's page may be built to explode: a
//! few hundred unclosed formatting elements are opened again in each of a hundred thousand paragraphs, and each attribute of a tag is
//! compared with all before it. Markup is given to the parser in small pieces, and after each the tree is measured. What is over
//! the limits is not read.

use std::{
    borrow::Cow,
    cell::{Ref, RefCell},
};

use html5ever::{
    Attribute, ParseOpts, QualName, local_name, ns, parse_document,
    tendril::{StrTendril, TendrilSink},
    tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeSink},
};

/// Elements within elements.
const MOST_DEEP: usize = 400;
/// Elements and texts.
const MOST_NODES: usize = 200_000;
/// White space, slashes and quotes while the tree stands still: more attributes no tag has before it ends.
const MOST_PARTS: usize = 20_000;
/// Attributes that later tags may add to `<html>` and `<body>`.
const MOST_ADDED: usize = 1000;
/// What the parser is given at a time, in bytes.
const PIECE: usize = 512;

/// A node: where it stands in [`Dom::nodes`].
pub(super) type Id = usize;

/// A tree. The document is node 0.
pub(super) struct Dom {
    nodes: Vec<Node>,
    /// How often something was put into the tree.
    changes: u64,
    /// The markup was over a limit: its end is missing.
    pub truncated: bool,
}

struct Node {
    parent: Option<Id>,
    children: Vec<Id>,
    /// Of an element; empty for every other node.
    name: QualName,
    attributes: Vec<Attribute>,
    text: Option<String>,
    /// Of a `<template>`: what stands in it is no part of the page.
    contents: Option<Id>,
}

impl Dom {
    /// Reads markup. Whatever it is, there is a tree.
    pub(super) fn parse(markup: &str) -> Dom {
        let dom = Dom { nodes: vec![Node::new(nameless())], changes: 0, truncated: false };
        let sink = Sink { dom: RefCell::new(dom) };
        let mut parser = parse_document(sink, ParseOpts::default());
        let mut rest = markup;
        let (mut changes, mut parts) = (0, 0);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
            parser.process(StrTendril::from(piece));
            rest = after;
            let separators =
                piece.bytes().filter(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\''));
            let (now, over) = {
                let dom = parser.tokenizer.sink.sink.dom.borrow();
                (dom.changes, dom.is_over())
            };
            parts = if now == changes { parts + separators.count() } else { 0 };
            changes = now;
            if over || parts > MOST_PARTS {
                break;
            }
        }
        let mut dom = parser.finish();
        dom.truncated = !rest.is_empty();
        dom
    }

    fn is_over(&self) -> bool {
        let mut deep = 0;
        let mut node = self.nodes.len().checked_sub(1);
        while let Some(id) = node.filter(|_| deep <= MOST_DEEP) {
            node = self.nodes[id].parent;
            deep += 1;
        }
        deep > MOST_DEEP || self.nodes.len() > MOST_NODES
    }

    /// Children, in order.
    pub(super) fn children(&self, node: Id) -> &[Id] {
        &self.nodes[node].children
    }

    /// The name of an HTML element; empty for everything else.
    pub(super) fn name(&self, node: Id) -> &str {
        let name = &self.nodes[node].name;
        if name.ns == ns!(html) {
            &name.local
        } else if name.ns == ns!() {
            ""
        } else {
            "svg"
        }
    }

    /// What stands in an attribute.
    pub(super) fn attribute(&self, node: Id, name: &str) -> Option<&str> {
        let attributes = self.nodes[node].attributes.iter();
        attributes.into_iter().find(|one| &*one.name.local == name).map(|one| &*one.value)
    }

    /// The text, if the node is one.
    pub(super) fn text(&self, node: Id) -> Option<&str> {
        self.nodes[node].text.as_deref()
    }

    /// Every node of the page, as it is read: a parent before its children.
    pub(super) fn walk(&self) -> impl Iterator<Item = Id> + '_ {
        let mut open = vec![0];
        std::iter::from_fn(move || {
            let node = open.pop()?;
            open.extend(self.nodes[node].children.iter().rev());
            Some(node)
        })
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn detach(&mut self, node: Id) {
        let Some(parent) = self.nodes[node].parent.take() else { return };
        let children = &mut self.nodes[parent].children;
        // What is moved was mostly put there last.
        if let Some(at) = children.iter().rposition(|child| *child == node) {
            children.remove(at);
        }
    }

    fn insert(&mut self, parent: Id, at: usize, child: NodeOrText<Id>) {
        self.changes += 1;
        let child = match child {
            NodeOrText::AppendNode(node) => {
                self.detach(node);
                node
            }
            NodeOrText::AppendText(text) => {
                let before = at.checked_sub(1).map(|at| self.nodes[parent].children[at]);
                if let Some(old) = before.and_then(|before| self.nodes[before].text.as_mut()) {
                    old.push_str(&text);
                    return;
                }
                self.add(Node { text: Some(text.to_string()), ..Node::new(nameless()) })
            }
        };
        self.nodes[child].parent = Some(parent);
        let children = &mut self.nodes[parent].children;
        children.insert(at.min(children.len()), child);
    }
}

impl Node {
    fn new(name: QualName) -> Node {
        Node { parent: None, children: Vec::new(), name, attributes: Vec::new(), text: None, contents: None }
    }
}

fn nameless() -> QualName {
    QualName::new(None, ns!(), local_name!(""))
}

struct Sink {
    dom: RefCell<Dom>,
}

impl TreeSink for Sink {
    type Handle = Id;
    type Output = Dom;
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) -> Dom {
        self.dom.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Id {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a Id) -> Ref<'a, QualName> {
        Ref::map(self.dom.borrow(), |dom| &dom.nodes[*target].name)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> Id {
        let mut dom = self.dom.borrow_mut();
        if !flags.template {
            return dom.add(Node { attributes, ..Node::new(name) });
        }
        let template = dom.add(Node { attributes, ..Node::new(name) });
        // It knows its parent, so that templates within templates are measured, and is no child of it.
        let contents = dom.add(Node { parent: Some(template), ..Node::new(nameless()) });
        dom.nodes[template].contents = Some(contents);
        template
    }

    fn create_comment(&self, _: StrTendril) -> Id {
        self.dom.borrow_mut().add(Node::new(nameless()))
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Id {
        self.dom.borrow_mut().add(Node::new(nameless()))
    }

    fn append(&self, parent: &Id, child: NodeOrText<Id>) {
        let mut dom = self.dom.borrow_mut();
        if let NodeOrText::AppendNode(node) = child {
            dom.detach(node);
        }
        let at = dom.nodes[*parent].children.len();
        dom.insert(*parent, at, child);
    }

    fn append_based_on_parent_node(&self, element: &Id, previous: &Id, child: NodeOrText<Id>) {
        let has_parent = self.dom.borrow().nodes[*element].parent.is_some();
        if has_parent { self.append_before_sibling(element, child) } else { self.append(previous, child) }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &Id) -> Id {
        self.dom.borrow().nodes[*target].contents.unwrap_or(*target)
    }

    fn same_node(&self, x: &Id, y: &Id) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Id, child: NodeOrText<Id>) {
        let mut dom = self.dom.borrow_mut();
        if let NodeOrText::AppendNode(node) = child {
            dom.detach(node);
        }
        let Some(parent) = dom.nodes[*sibling].parent else { return };
        let children = &dom.nodes[parent].children;
        let at = children.iter().rposition(|child| child == sibling).unwrap_or(children.len());
        dom.insert(parent, at, child);
    }

    fn add_attrs_if_missing(&self, target: &Id, attributes: Vec<Attribute>) {
        let mut dom = self.dom.borrow_mut();
        let known = &mut dom.nodes[*target].attributes;
        for attribute in attributes {
            if known.len() < MOST_ADDED && !known.iter().any(|one| one.name == attribute.name) {
                known.push(attribute);
            }
        }
    }

    fn remove_from_parent(&self, target: &Id) {
        self.dom.borrow_mut().detach(*target);
    }

    fn reparent_children(&self, node: &Id, new_parent: &Id) {
        let mut dom = self.dom.borrow_mut();
        let children = std::mem::take(&mut dom.nodes[*node].children);
        for child in &children {
            dom.nodes[*child].parent = Some(*new_parent);
        }
        dom.nodes[*new_parent].children.extend(children);
    }
}
