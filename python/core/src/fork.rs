//! A fork that runs nothing of the program.
//!
//! `os.fork` calls what `os.register_at_fork` was given, and some of that takes locks: asked for at a moment at which the
//! interrupted code holds one of them, it never returns. The child that writes a dump uses no lock of the program, so that
//! it needs none of the hooks; the interpreter's own repair of a child runs those of the child at its end, so that they are
//! taken away before and put back after.

use core::ffi::c_int;
use core::ptr::null;

use crate::api::{Api, Object};
use crate::layout::type_of;

unsafe extern "C" {
    fn fork() -> c_int;
    fn _exit(status: c_int) -> !;
}

/// Exit code of a child that could not be made whole.
const FAILED: c_int = 120;

/// Forks: a new int, 0 in the child, or null with an exception set.
///
/// No bytecode runs between the fork and the repair of the child: a thread of the parent that waits for the interpreter's
/// lock would be waited for in vain.
///
/// # Safety
/// The interpreter's lock and the import lock are held; the arguments are alive.
pub unsafe fn without_hooks(api: &Api, marker: Object, get_referrers: Object, unfreeze: Object) -> Object {
    // SAFETY: as promised by the caller
    unsafe {
        let child = fork();
        if child < 0 {
            return (api.PyErr_SetFromErrno)(crate::layout::word(api.PyExc_OSError, 0));
        }
        if child == 0 && repair(api, marker, get_referrers, unfreeze).is_none() {
            _exit(FAILED);
        }
        (api.PyLong_FromSsize_t)(child as isize)
    }
}

/// Makes the child whole; nothing where memory runs out, or where the hooks are not found.
unsafe fn repair(api: &Api, marker: Object, get_referrers: Object, unfreeze: Object) -> Option<()> {
    // SAFETY: the child has the interpreter's lock, and the objects that its parent had
    unsafe {
        // what is frozen is in no list that is looked through
        let done = some((api.PyObject_CallFunctionObjArgs)(unfreeze, null::<u8>()))?;
        (api.Py_DecRef)(done);
        let referrers = some((api.PyObject_CallFunctionObjArgs)(get_referrers, marker, null::<u8>()))?;
        let hooks = (api.PyList_GetSlice)(referrers, 0, 0);
        let saved = (api.PyList_GetSlice)(some(hooks)?, 0, 0);
        some(saved)?;
        for place in 0..(api.PyList_Size)(referrers) {
            let list = (api.PyList_GetItem)(referrers, place);
            if type_of(list) == api.PyList_Type {
                let content = some((api.PyList_GetSlice)(list, 0, (api.PyList_Size)(list)))?;
                append(api, saved, content)?;
                (api.Py_DecRef)(content);
                append(api, hooks, list)?;
                done_well((api.PyList_SetSlice)(list, 0, (api.PyList_Size)(list), 0))?;
            }
        }
        if (api.PyList_Size)(hooks) == 0 {
            return None;
        }
        (api.PyOS_AfterFork_Child)();
        for place in 0..(api.PyList_Size)(hooks) {
            let (list, content) = ((api.PyList_GetItem)(hooks, place), (api.PyList_GetItem)(saved, place));
            done_well((api.PyList_SetSlice)(list, 0, 0, content))?;
        }
        for list in [saved, hooks, referrers] {
            (api.Py_DecRef)(list);
        }
        Some(())
    }
}

/// Appends an object.
unsafe fn append(api: &Api, list: Object, object: Object) -> Option<()> {
    // SAFETY: both are alive
    done_well(unsafe { (api.PyList_Append)(list, object) })
}

fn some(object: Object) -> Option<Object> {
    (object != 0).then_some(object)
}

fn done_well(status: i32) -> Option<()> {
    (status == 0).then_some(())
}
