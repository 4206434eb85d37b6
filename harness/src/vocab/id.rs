//! Ids of what a run is made of: a number that fits one list, and lists that take no other.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Index, IndexMut};

/// A number that says which element of a list is meant.
pub trait Id: Copy {
    /// The id of the element at a place, counted from 0.
    fn new(index: usize) -> Self;
    /// The place, counted from 0.
    fn index(self) -> usize;
}

/// Declares ids. Each is as large as the number inside of it.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($number:ty);)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name($number);

            impl Id for $name {
                fn new(index: usize) -> Self {
                    debug_assert!(<$number>::try_from(index).is_ok(), "{index} is too large for an id");
                    Self(index as $number)
                }

                fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )*
    };
}

ids! {
    /// One of the phases of a run.
    PhaseId(u16);
}

impl PhaseId {
    /// The first one. What belongs to no phase is kept with it.
    pub const FIRST: Self = Self(0);

    /// The one behind it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A list whose elements are taken by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdVec<I, T> {
    items: Vec<T>,
    ids: PhantomData<fn(I) -> I>,
}

impl<I: Id, T> IdVec<I, T> {
    /// Each element with its id.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(index, item)| (I::new(index), item))
    }

    /// The ids of all elements.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + Clone + use<I, T> {
        (0..self.items.len()).map(I::new)
    }

    /// The first element of which this holds.
    pub fn find(&self, wanted: impl FnMut(&T) -> bool) -> Option<I> {
        self.items.iter().position(wanted).map(I::new)
    }
}

impl<I, T> From<Vec<T>> for IdVec<I, T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, ids: PhantomData }
    }
}

impl<I, T> Default for IdVec<I, T> {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl<I, T> FromIterator<T> for IdVec<I, T> {
    fn from_iter<A: IntoIterator<Item = T>>(items: A) -> Self {
        Self::from(Vec::from_iter(items))
    }
}

impl<I: Id, T> Index<I> for IdVec<I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for IdVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}

impl<I, T> Deref for IdVec<I, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<I, T> DerefMut for IdVec<I, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items
    }
}

impl<'a, I, T> IntoIterator for &'a IdVec<I, T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<'a, I, T> IntoIterator for &'a mut IdVec<I, T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_is_found_by_its_id() {
        let mut phases: IdVec<PhaseId, &str> = ["warm", "steady"].into_iter().collect();
        let steady = phases.find(|name| *name == "steady").unwrap();
        assert_eq!((steady, phases[steady], phases[PhaseId::FIRST]), (PhaseId::FIRST.next(), "steady", "warm"));
        phases[steady] = "calm";
        assert_eq!(
            phases.entries().map(|(id, name)| (id.index(), *name)).collect::<Vec<_>>(),
            [(0, "warm"), (1, "calm")]
        );
        assert!(phases.ids().eq(phases.entries().map(|(id, _)| id)));
        assert_eq!(phases.find(|name| *name == "steady"), None);
    }

    #[test]
    fn an_id_is_as_large_as_its_number() {
        assert_eq!(size_of::<PhaseId>(), size_of::<u16>());
    }
}
