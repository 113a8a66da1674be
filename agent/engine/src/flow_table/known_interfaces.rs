//! The interfaces that the table knows, by number.

use std::sync::Arc;

use super::paths::Observation;
use crate::decode::FrameCount;

/// Interfaces per page. A page is freed when the last of its interfaces is forgotten; its pointer, 8 bytes, remains.
const PAGE: usize = 32;

/// Properties and counters of one interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The kernel's index and the name; none: the caller has not set them.
    pub(super) label: Option<(u32, Arc<str>)>,
    /// Packets that were counted at this interface.
    pub(super) counted: FrameCount,
    /// Packets that were not counted here, because they were counted at another interface.
    pub(super) seen_elsewhere: FrameCount,
    /// The network namespace to which the interface leads; 0: unknown.
    pub(super) namespace: u32,
    pub(super) observation: Observation,
}

type Page = Box<[Option<Known>; PAGE]>;

/// Interfaces by number. Numbers are never reused, so a plain vector would grow with every interface that ever existed.
#[derive(Debug, Default)]
pub(super) struct KnownInterfaces {
    pages: Vec<Option<Page>>,
    len: usize,
}

impl KnownInterfaces {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Known> {
        let page = self.pages.get(number as usize / PAGE)?.as_ref()?;
        page.get(number as usize % PAGE)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Known> {
        let page = self.pages.get_mut(number as usize / PAGE)?.as_mut()?;
        page.get_mut(number as usize % PAGE)?.as_mut()
    }

    /// The kernel's index and the name.
    pub(super) fn label(&self, number: u32) -> Option<&(u32, Arc<str>)> {
        self.get(number)?.label.as_ref()
    }

    /// Changes an interface, which is added if it is not known.
    pub(super) fn change(&mut self, number: u32, change: impl FnOnce(&mut Known)) {
        let at = number as usize / PAGE;
        if self.pages.len() <= at {
            self.pages.resize_with(at + 1, || None);
        }
        let Some(page) = self.pages.get_mut(at) else { return };
        let page = page.get_or_insert_with(|| Box::new(std::array::from_fn(|_| None)));
        let Some(place) = page.get_mut(number as usize % PAGE) else { return };
        self.len += usize::from(place.is_none());
        change(place.get_or_insert_default());
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Known> {
        let page = self.pages.get_mut(number as usize / PAGE)?;
        let known = page.as_mut()?.get_mut(number as usize % PAGE)?.take();
        self.len -= usize::from(known.is_some());
        if page.as_ref().is_some_and(|page| page.iter().all(Option::is_none)) {
            *page = None;
        }
        known
    }

    /// The interfaces that have a name, with their numbers.
    pub(super) fn named(&self) -> impl Iterator<Item = (u32, &Known)> {
        let pages = (0..).step_by(PAGE).zip(&self.pages).filter_map(|(first, page)| Some((first, page.as_ref()?)));
        let all = pages.flat_map(|(first, page)| (first..).zip(page.iter()));
        all.filter_map(|(number, known)| Some((number, known.as_ref()?))).filter(|(_, known)| known.label.is_some())
    }

    #[cfg(test)]
    pub(super) fn allocated_bytes(&self) -> usize {
        let pages = self.pages.iter().flatten().count() * PAGE * size_of::<Option<Known>>();
        pages + self.pages.capacity() * size_of::<Option<Page>>()
    }
}
