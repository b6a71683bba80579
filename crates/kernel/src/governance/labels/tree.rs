//! What each place of a value carries.

use std::{collections::BTreeMap, sync::Arc};

use super::{Origin, TrustRef};

/// The labels of a value by place. A place that is not named has what the place above it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    /// What the value itself carries, and every place below that is not named.
    pub own: Origin,
    /// The value is only what its named places are: a list of items, a map without further keys.
    pub hollow: bool,
    /// By the names of properties.
    pub fields: BTreeMap<Arc<str>, Tree>,
    /// Items of a list, and properties that are not named.
    pub rest: Option<Box<Tree>>,
}

/// The most places that one step's value is followed in; beyond, all of it carries the same.
const MOST: usize = 500;

impl Tree {
    /// The same everywhere.
    pub fn flat(own: Origin) -> Tree {
        Tree { own, ..Tree::default() }
    }

    /// A map of these and no others.
    pub fn map<K: Into<Arc<str>>>(fields: impl IntoIterator<Item = (K, Tree)>) -> Tree {
        let fields = fields.into_iter().map(|(name, tree)| (name.into(), tree)).collect();
        Tree { hollow: true, fields, ..Tree::default() }
    }

    /// A list of such items.
    pub fn list(item: Tree) -> Tree {
        Tree { hollow: true, rest: Some(Box::new(item)), ..Tree::default() }
    }

    /// The value under a name.
    pub fn field(&self, name: &str) -> Tree {
        match (self.fields.get(name), &self.rest) {
            (Some(tree), _) => tree.clone(),
            (None, Some(rest)) => (**rest).clone(),
            (None, None) => Tree::flat(self.own.clone()),
        }
    }

    /// The value under a name; `None` if there can be none.
    fn part(&self, name: &str) -> Option<Tree> {
        let there = !self.hollow || self.rest.is_some() || self.fields.contains_key(name);
        there.then(|| self.field(name))
    }

    /// Any item, or any property.
    pub fn item(&self) -> Tree {
        let open = (!self.hollow && self.rest.is_none()).then(|| Tree::flat(self.own.clone()));
        let parts = self.fields.values().chain(self.rest.as_deref()).cloned().chain(open);
        Tree::any(parts).unwrap_or_else(|| Tree::flat(self.own.clone()))
    }

    /// One of these; `None` if there is none.
    pub fn any(trees: impl IntoIterator<Item = Tree>) -> Option<Tree> {
        trees.into_iter().reduce(|mut sum, tree| {
            sum.join(&tree);
            sum
        })
    }

    /// All that it carries anywhere.
    pub fn all(&self) -> Origin {
        let mut all = if self.hollow { Origin::default() } else { self.own.clone() };
        self.fields.values().for_each(|tree| all.join(&tree.all()));
        self.rest.iter().for_each(|tree| all.join(&tree.all()));
        all
    }

    /// Becomes a value that is this one or the other.
    pub fn join(&mut self, other: &Tree) {
        let names: Vec<Arc<str>> = self.fields.keys().chain(other.fields.keys()).cloned().collect();
        for name in names {
            if let Some(both) = Tree::any([self.part(&name), other.part(&name)].into_iter().flatten()) {
                self.fields.insert(name, both);
            }
        }
        if self.rest.is_some() || other.rest.is_some() {
            let rest = |tree: &Tree| match &tree.rest {
                Some(rest) => Some((**rest).clone()),
                None => (!tree.hollow).then(|| Tree::flat(tree.own.clone())),
            };
            self.rest = Tree::any([rest(self), rest(other)].into_iter().flatten()).map(Box::new);
        }
        self.hollow &= other.hollow;
        self.own.join(&other.own);
    }

    /// Each place carries what `other` says of it as well.
    pub fn add(&mut self, other: &Tree) {
        if !other.own.is_empty() {
            self.cover(&other.own);
        }
        for name in other.fields.keys() {
            self.at(std::slice::from_ref(name));
        }
        for (name, field) in &mut self.fields {
            if let Some(other) = other.fields.get(name).or(other.rest.as_deref()) {
                field.add(other);
            }
        }
        if let Some(other) = &other.rest {
            self.rest.get_or_insert_with(|| Box::new(Tree::flat(self.own.clone()))).add(other);
        }
    }

    /// Every place carries `origin` as well.
    pub fn cover(&mut self, origin: &Origin) {
        self.each(&mut |own| own.join(origin));
    }

    /// Makes untrusted for good what `lost` says can no longer be asked for.
    pub fn untie(&mut self, lost: &dyn Fn(&TrustRef) -> bool) {
        self.each(&mut |own| own.untie(lost));
    }

    /// The place under a path of names; it has an entry of its own from now on.
    pub fn at(&mut self, path: &[Arc<str>]) -> &mut Tree {
        let Some((name, below)) = path.split_first() else { return self };
        let here = self.field(name);
        self.fields.entry(name.clone()).or_insert(here).at(below)
    }

    /// Changes what is carried, everywhere below.
    pub fn each(&mut self, change: &mut dyn FnMut(&mut Origin)) {
        change(&mut self.own);
        self.fields.values_mut().for_each(|tree| tree.each(change));
        self.rest.iter_mut().for_each(|tree| tree.each(change));
    }

    /// The same, in at most so many places that a long workflow stays small.
    pub fn bounded(self) -> Tree {
        if self.size() <= MOST { self } else { Tree::flat(self.all()) }
    }

    fn size(&self) -> usize {
        let below = self.fields.values().chain(self.rest.as_deref()).map(Tree::size);
        below.fold(1, usize::saturating_add)
    }
}
