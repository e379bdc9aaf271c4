// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel threads.

use core::ptr::NonNull;

use eeh_pe::TreeId;
use kernel::alloc::KBox;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::ffi::{c_int, c_void};
use kernel::str::CStrExt;
use kernel::sync::aref::ARef;
use kernel::task::Task;

use crate::bindings;

/// What a thread is given: the PHB it is for.
type Main = fn(TreeId);

/// What a thread begins with.
struct Start {
    main: Main,
    tree: TreeId,
}

/// A thread begins.
extern "C" fn begin(data: *mut c_void) -> c_int {
    // SAFETY: what `create` left for this thread alone.
    let start = unsafe { KBox::<Start>::from_raw(data.cast()) };
    let Start { main, tree } = *start;
    drop(start);
    main(tree);
    0
}

/// Makes a thread for a PHB; it runs when it is first woken. Threads of the kernel are not frozen.
/// `None`: no memory.
///
/// # Context
///
/// May sleep.
pub(crate) fn create(
    name: &'static core::ffi::CStr,
    number: u32,
    main: Main,
    tree: TreeId,
) -> Option<ARef<Task>> {
    let start = KBox::into_raw(KBox::new(Start { main, tree }, GFP_KERNEL).ok()?);
    let anywhere = -1;
    // SAFETY: the format takes one number, and `begin` takes `start` over.
    let task = unsafe {
        bindings::kthread_create_on_node(Some(begin), start.cast(), anywhere, name.as_char_ptr(), number)
    };
    let Ok(task) = kernel::error::from_err_ptr(task) else {
        // SAFETY: there is no thread that could have taken it.
        drop(unsafe { KBox::<Start>::from_raw(start) });
        return None;
    };
    // SAFETY: a new thread stays at least until it is woken.
    unsafe { bindings::get_task_struct(task) };
    let task = NonNull::new(task)?.cast::<Task>();
    // SAFETY: `Task` is a transparent `task_struct`, and the reference is the one just taken.
    Some(unsafe { ARef::from_raw(task) })
}

/// Whether a thread is the one that asks.
pub(crate) fn is_current(task: &Task) -> bool {
    core::ptr::eq(task.as_ptr(), Task::current_raw())
}

/// Whether a thread has ended, in whatever way.
pub(crate) fn is_dead(task: &Task) -> bool {
    // SAFETY: the task is held.
    unsafe { bindings::eeh_glue_is_dead(task.as_ptr()) }
}
