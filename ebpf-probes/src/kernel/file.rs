//! The file that a process executes.

/// A position on the path from a file up to the root (`prepend_path` of fs/d_path.c).
#[derive(Clone, Copy)]
pub struct FilePath {
    dentry: u64,
    /// `struct vfsmount`.
    mount: u64,
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
        Self { dentry: read!(file, file_dentry).unwrap_or(0), mount: read!(file, file_mount).unwrap_or(0) }
    }

    #[inline(always)]
    pub const fn is_known(self) -> bool {
        self.dentry != 0 && self.mount != 0
    }

    /// Moves up by one.
    #[inline(always)]
    pub fn step(&mut self) -> Step {
        let root: u64 = read!(self.mount, vfsmount_root).unwrap_or(0);
        if self.dentry == root {
            return self.leave_mount();
        }
        let name: u64 = read!(self.dentry, dentry_name).unwrap_or(0);
        let parent: u64 = read!(self.dentry, dentry_parent).unwrap_or(0);
        if parent == self.dentry {
            return Step::Detached(name);
        }
        self.dentry = parent;
        Step::Name(name)
    }

    #[inline(always)]
    fn leave_mount(&mut self) -> Step {
        let mount = self.mount - u64::from(offset!(mount_vfsmount));
        let above: u64 = read!(mount, mount_parent).unwrap_or(mount);
        if above == mount {
            return Step::Root;
        }
        self.dentry = read!(mount, mount_point).unwrap_or(0);
        self.mount = above + u64::from(offset!(mount_vfsmount));
        Step::Mount
    }
}

/// The executable's path in a `struct linux_binprm`.
#[inline(always)]
pub fn binprm_path(binprm: u64) -> u64 {
    read!(binprm, binprm_filename).unwrap_or(0)
}
