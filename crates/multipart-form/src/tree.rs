//! Forms as trees: what is kept of each part is what the caller made of its body.

use alloc::vec::Vec;

use crate::head::{Head, HeadBuf};

/// A part of a form.
#[derive(Clone, Debug)]
pub struct Node<T> {
    /// Its header.
    pub head: HeadBuf,
    /// What it holds.
    pub body: Body<T>,
}

/// What a part holds.
#[derive(Clone, Debug)]
pub enum Body<T> {
    /// What was made of its bytes.
    Leaf(T),
    /// The parts of a multipart.
    Parts(Vec<Node<T>>),
}

/// Builds a tree from a parser's events, in their order: [`enter`](Self::enter) for [`Event::Enter`](crate::Event::Enter),
/// [`leave`](Self::leave) for [`Event::Leave`](crate::Event::Leave), and [`leaf`](Self::leaf) once a part has ended.
#[derive(Clone, Debug)]
pub struct TreeBuilder<T> {
    parts: Vec<Node<T>>,
    /// Multiparts that are open: the header, and the parts that came before it.
    open: Vec<(HeadBuf, Vec<Node<T>>)>,
}

impl<T> Node<T> {
    /// The leaves in the order they were sent, each with its header.
    pub fn leaves<'a>(parts: &'a [Self]) -> impl Iterator<Item = (Head<'a>, &'a T)> {
        let mut left: Vec<&'a Self> = parts.iter().rev().collect();
        core::iter::from_fn(move || {
            loop {
                let node = left.pop()?;
                match &node.body {
                    Body::Leaf(value) => return Some((node.head.as_head(), value)),
                    Body::Parts(parts) => left.extend(parts.iter().rev()),
                }
            }
        })
    }
}

impl<T> TreeBuilder<T> {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self { parts: Vec::new(), open: Vec::new() }
    }

    /// A multipart begins.
    pub fn enter(&mut self, head: HeadBuf) {
        self.open.push((head, core::mem::take(&mut self.parts)));
    }

    /// A part is complete.
    pub fn leaf(&mut self, head: HeadBuf, value: T) {
        self.parts.push(Node { head, body: Body::Leaf(value) });
    }

    /// The multipart that began last is complete.
    pub fn leave(&mut self) {
        if let Some((head, before)) = self.open.pop() {
            let parts = core::mem::replace(&mut self.parts, before);
            self.parts.push(Node { head, body: Body::Parts(parts) });
        }
    }

    /// The parts of the outermost multipart; what is still open is closed.
    #[must_use]
    pub fn finish(mut self) -> Vec<Node<T>> {
        while !self.open.is_empty() {
            self.leave();
        }
        self.parts
    }
}

impl<T> Default for TreeBuilder<T> {
    fn default() -> Self {
        Self::new()
    }
}
