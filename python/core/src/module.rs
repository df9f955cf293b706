//! The extension module `native_core`: two functions, `walk` and `fork`.
//!
//! The structures are those of the stable interface, spelled out, since no header is compiled against.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char};
use core::ptr::null;

use crate::addresses::Addresses;
use crate::api::{Api, Object};
use crate::describe::{Describer, Limits};
use crate::layout::{Layout, type_of};
use crate::secrets::Secrets;
use crate::walk::{Apart, Callbacks, Raised, Starts, Walk};

/// Flag: write values.
const VALUES: i64 = 1;
/// Flag: other threads may run during callbacks.
const SHARED: i64 = 2;
/// Flag: the collector is told of the dictionary that an instance has.
const REPORTS_DICTS: i64 = 4;

const DOCUMENTATION: &CStr = c"walk(flags, version, value_limit, key_limit, starts, sample, strings, secrets, \
secret_parts, secret_addresses, blocked, held, immortal, write, describe, plan, check, key, size, namespaces, held_counts)

Writes a line for each object that the list `starts` leads to. Returns the numbers of object lines, of references, of
objects marked immortal, and of objects that Python described; None where this interpreter is not one that is known.
";

const ABOUT_FORK: &CStr = c"fork(marker, get_referrers, unfreeze)

Forks without the hooks of os.register_at_fork, among which the marker is. Returns 0 in the child and its number in the
parent. The caller holds the import lock; in the child it is free.
";

#[repr(C)]
struct ModuleDefinition {
    // PyModuleDef_Base: reference count, type, init, index, copy
    base: [usize; 5],
    name: *const c_char,
    documentation: *const c_char,
    size: isize,
    methods: *const Method,
    slots: *const [usize; 2],
    traverse: usize,
    clear: usize,
    free: usize,
}

#[repr(C)]
struct Method {
    name: *const c_char,
    function: Option<unsafe extern "C" fn(Object, Object) -> Object>,
    flags: i32,
    documentation: *const c_char,
}

/// Statics that the interpreter reads, and the definition also writes.
#[repr(transparent)]
struct Shared<T>(UnsafeCell<T>);

// SAFETY: only used with the interpreter's lock held
unsafe impl<T> Sync for Shared<T> {}

/// Arguments come as one tuple.
const POSITIONAL: i32 = 1;

static METHODS: Shared<[Method; 3]> = Shared(UnsafeCell::new([
    Method { name: c"walk".as_ptr(), function: Some(walk), flags: POSITIONAL, documentation: DOCUMENTATION.as_ptr() },
    Method { name: c"fork".as_ptr(), function: Some(fork), flags: POSITIONAL, documentation: ABOUT_FORK.as_ptr() },
    Method { name: null(), function: None, flags: 0, documentation: null() },
]));

/// No slots: their presence alone makes this a module that is not put into `sys.modules` behind the importer's back.
static SLOTS: [usize; 2] = [0, 0];

static DEFINITION: Shared<ModuleDefinition> = Shared(UnsafeCell::new(ModuleDefinition {
    base: [1, 0, 0, 0, 0],
    name: c"native_core".as_ptr(),
    documentation: c"The native half of `retainers.dump`; see `retainers._native`.".as_ptr(),
    size: 0,
    methods: METHODS.0.get().cast(),
    slots: &raw const SLOTS,
    traverse: 0,
    clear: 0,
    free: 0,
}));

/// What an import of the module calls.
///
/// # Safety
/// The interpreter's lock is held.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit_native_core() -> Object {
    match Api::find() {
        // SAFETY: the definition is of the layout that every version has, and lives for ever
        Some(api) => unsafe { (api.PyModuleDef_Init)(DEFINITION.0.get() as Object) },
        None => 0,
    }
}

/// `walk(…)`: see [`DOCUMENTATION`].
unsafe extern "C" fn walk(_module: Object, arguments: Object) -> Object {
    let Some(api) = Api::find() else { return 0 };
    let mut arguments = Arguments { api: &api, tuple: arguments, next: 0, raised: false };
    // SAFETY: called by the interpreter, with its lock held, with a tuple that holds the arguments throughout
    unsafe {
        match run(&api, &mut arguments) {
            _ if arguments.raised => 0,
            Ok(Some(counts)) => (api.Py_BuildValue)(
                c"(KKKK)".as_ptr(),
                counts.objects,
                counts.references,
                counts.immortal,
                counts.described,
            ),
            Ok(None) => (api.Py_BuildValue)(c"".as_ptr()),
            Err(Raised) => 0,
        }
    }
}

/// `fork(…)`: see [`ABOUT_FORK`].
unsafe extern "C" fn fork(_module: Object, arguments: Object) -> Object {
    let Some(api) = Api::find() else { return 0 };
    let mut arguments = Arguments { api: &api, tuple: arguments, next: 0, raised: false };
    // SAFETY: called by the interpreter, with its lock held, with a tuple that holds the arguments throughout
    unsafe {
        let (marker, get_referrers, unfreeze) = (arguments.object(), arguments.object(), arguments.object());
        if arguments.raised {
            return 0;
        }
        crate::fork::without_hooks(&api, marker, get_referrers, unfreeze)
    }
}

/// Walks as the arguments say; nothing where the interpreter is not one that is known.
unsafe fn run(api: &Api, arguments: &mut Arguments<'_>) -> Result<Option<crate::walk::Counts>, Raised> {
    // SAFETY: the arguments are alive; their types are looked at before they are relied upon
    unsafe {
        let flags = arguments.number();
        let version = arguments.number();
        let (value_limit, key_limit) = (arguments.number(), arguments.number());
        let starts = arguments.of_type(api.PyList_Type);
        let sample = arguments.of_type(api.PyType_Type);
        let strings = arguments.strings();
        let secrets = arguments.of_type(api.PySet_Type);
        let parts = arguments.of_type(api.PyTuple_Type);
        let secret_addresses = arguments.addresses();
        let apart =
            Apart { blocked: arguments.addresses(), held: arguments.addresses(), immortal: arguments.addresses() };
        let callbacks = Callbacks {
            write: arguments.object(),
            describe: arguments.object(),
            plan: arguments.object(),
            check: arguments.object(),
            key: arguments.object(),
            size: arguments.object(),
            namespaces: arguments.of_type(api.PySet_Type),
            held: arguments.of_type(api.PyDict_Type),
        };
        if arguments.raised {
            return Err(Raised);
        }
        let Some(mut layout) = Layout::of(version as u32) else { return Ok(None) };
        if !layout.learn_strings(strings) {
            return Ok(None);
        }
        let limit = value_limit as usize;
        let Some(mut secrets) = Secrets::new(api, &layout, secrets, secret_addresses, limit) else { return Ok(None) };
        for index in 0..(api.PyTuple_Size)(parts) {
            if !secrets.add_part(api, &layout, (api.PyTuple_GetItem)(parts, index)) {
                return Ok(None);
            }
        }
        let starts = Starts::new(starts);
        let limits = Limits {
            values: flags & VALUES != 0,
            value: limit,
            key: key_limit as usize,
            secrets: &secrets,
            reports_dicts: flags & REPORTS_DICTS != 0,
        };
        let describer = Describer { api, layout, callbacks: &callbacks, limits, shared: flags & SHARED != 0 };
        let mut walk = Walk::new(describer, &starts, &apart, sample);
        walk.run()?;
        Ok(Some(walk.counts))
    }
}

/// The positional arguments of a call, taken one after the other.
struct Arguments<'a> {
    api: &'a Api,
    tuple: Object,
    next: isize,
    /// One was missing or of another type, and an exception has been set.
    raised: bool,
}

impl Arguments<'_> {
    /// The next argument, borrowed; 0 with an exception set when there is none.
    unsafe fn object(&mut self) -> Object {
        if self.raised {
            return 0;
        }
        // SAFETY: the interpreter checks type and index
        let object = unsafe { (self.api.PyTuple_GetItem)(self.tuple, self.next) };
        self.next += 1;
        self.raised = object == 0;
        object
    }

    /// The next argument, which must be of exactly this type.
    unsafe fn of_type(&mut self, class: Object) -> Object {
        // SAFETY: as for object; a type object is alive while its instance is
        unsafe {
            let object = self.object();
            if object != 0 && type_of(object) != class {
                let error = crate::layout::word(self.api.PyExc_TypeError, 0);
                (self.api.PyErr_SetString)(error, c"walk() was called with an argument of another type".as_ptr());
                self.raised = true;
            }
            object
        }
    }

    /// The next argument, an int.
    unsafe fn number(&mut self) -> i64 {
        // SAFETY: as for object
        unsafe {
            let object = self.of_type(self.api.PyLong_Type);
            if self.raised { 0 } else { (self.api.PyLong_AsLongLong)(object) }
        }
    }

    /// The next argument, a tuple of addresses.
    unsafe fn addresses(&mut self) -> Addresses {
        let mut set = Addresses::new();
        // SAFETY: as for object
        unsafe {
            let tuple = self.of_type(self.api.PyTuple_Type);
            if self.raised {
                return set;
            }
            let mut items = Arguments { api: self.api, tuple, next: 0, raised: false };
            for _ in 0..(self.api.PyTuple_Size)(tuple) {
                set.insert(items.number() as Object);
            }
            self.raised |= items.raised;
        }
        set
    }

    /// The next argument, a tuple of four strings.
    unsafe fn strings(&mut self) -> [Object; 4] {
        // SAFETY: as for object
        unsafe {
            let tuple = self.of_type(self.api.PyTuple_Type);
            if self.raised {
                return [0; 4];
            }
            let mut items = Arguments { api: self.api, tuple, next: 0, raised: false };
            let strings = [(); 4].map(|()| items.of_type(self.api.PyUnicode_Type));
            self.raised |= items.raised;
            strings
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_no_extension_outside_an_interpreter() {
        // the test program has no symbols of an interpreter
        assert!(Api::find().is_none());
        // SAFETY: without them nothing is done
        assert_eq!(unsafe { PyInit_native_core() }, 0);
        assert_eq!(size_of::<ModuleDefinition>(), 13 * 8);
    }
}
