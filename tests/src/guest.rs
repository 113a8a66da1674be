//! The first process of a virtual machine's guest.
