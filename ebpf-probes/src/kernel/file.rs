//! The file that a process executes.

use super::{count_failure, read_next};

/// A position on the path from a file up to the root (`prepend_path` of fs/d_path.c).
#[derive(Clone, Copy)]
pub struct FilePath {
    dentry: u64,
    /// `struct vfsmount`.
    mount: u64,
    /// Negative: a read has failed.
    failure: i64,
}

/// What is found at a position.
pub enum Step {
    /// A name, at this address.
    Name(u64),
    /// The root of a file system that is mounted on another one.
    Mount,
    /// The root of the mount namespace.
    Root,
    /// The file is in no folder; its name is at this address.
    Detached(u64),
}

impl FilePath {
    /// The first position for a `struct file`.
    #[inline(always)]
    pub fn of(file: u64) -> Self {
        Self { dentry: read!(file, file_dentry), mount: read!(file, file_mount), failure: 0 }
    }

    #[inline(always)]
    pub const fn is_known(self) -> bool {
        self.dentry != 0 && self.mount != 0
    }

    /// Moves up by one.
    #[inline(always)]
    pub fn step(&mut self) -> Step {
        let root = self.next(self.mount, offset!(vfsmount_root));
        if self.dentry == root {
            return self.leave_mount();
        }
        let name = self.next(self.dentry, offset!(dentry_name));
        let parent = self.next(self.dentry, offset!(dentry_parent));
        if parent == self.dentry {
            return Step::Detached(name);
        }
        self.dentry = parent;
        Step::Name(name)
    }

    #[inline(always)]
    fn leave_mount(&mut self) -> Step {
        let mount = self.mount - u64::from(offset!(mount_vfsmount));
        let above = self.next(mount, offset!(mount_parent));
        if above == mount || above == 0 {
            return Step::Root;
        }
        self.dentry = self.next(mount, offset!(mount_point));
        self.mount = above + u64::from(offset!(mount_vfsmount));
        Step::Mount
    }

    #[inline(always)]
    fn next(&mut self, base: u64, offset: u32) -> u64 {
        read_next(base, offset, &mut self.failure)
    }

    /// Counts a read that failed on the way.
    #[inline(always)]
    pub fn count_failure(&self) {
        count_failure(self.failure);
    }
}

/// The executable's path in a `struct linux_binprm`.
#[inline(always)]
pub fn binprm_path(binprm: u64) -> u64 {
    read!(binprm, binprm_filename)
}
