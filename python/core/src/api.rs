//! What the core asks of the interpreter, found by name in the running process.
//!
//! Nothing is linked: one library serves an interpreter of any version, in an executable or in a libpython.

use core::ffi::{CStr, c_char, c_void};

/// Address of a Python object.
pub type Object = usize;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// Every symbol of the process, in the order in which its libraries were loaded.
#[cfg(target_vendor = "apple")]
const ANYWHERE: isize = -2;
#[cfg(not(target_vendor = "apple"))]
const ANYWHERE: isize = 0;

macro_rules! api {
    (functions { $($(#[$about:meta])* $function:ident: $signature:ty,)* } data { $($data:ident,)* }) => {
        /// Functions of the C API and addresses of its static objects.
        #[allow(non_snake_case)]
        pub struct Api {
            $($(#[$about])* pub $function: $signature,)*
            $(pub $data: Object,)*
        }

        impl Api {
            /// Finds all of it, or nothing where one is missing: then this is no CPython that the core knows.
            pub fn find() -> Option<Self> {
                // SAFETY: each function has had this signature in the stable interface since before 3.8
                unsafe {
                    Some(Api {
                        $($function: core::mem::transmute::<usize, $signature>(symbol(concat!(stringify!($function), "\0"))?),)*
                        $($data: symbol(concat!(stringify!($data), "\0"))?,)*
                    })
                }
            }
        }
    };
}

api! {
    functions {
        /// Calls with positional arguments, ended by a null: a new reference, or null with an exception set.
        PyObject_CallFunctionObjArgs: unsafe extern "C" fn(Object, ...) -> Object,
        PyBytes_FromStringAndSize: unsafe extern "C" fn(*const u8, isize) -> Object,
        /// Steps through a dictionary; key and value are borrowed.
        PyDict_Next: unsafe extern "C" fn(Object, *mut isize, *mut Object, *mut Object) -> i32,
        PyLong_FromSsize_t: unsafe extern "C" fn(isize) -> Object,
        /// 1 or 0, or -1 with an exception set.
        PySet_Contains: unsafe extern "C" fn(Object, Object) -> i32,
        PySet_Add: unsafe extern "C" fn(Object, Object) -> i32,
        PyLong_AsLongLong: unsafe extern "C" fn(Object) -> i64,
        /// Borrowed, or null with an exception set.
        PyTuple_GetItem: unsafe extern "C" fn(Object, isize) -> Object,
        PyTuple_Size: unsafe extern "C" fn(Object) -> isize,
        Py_BuildValue: unsafe extern "C" fn(*const c_char, ...) -> Object,
        PyModuleDef_Init: unsafe extern "C" fn(Object) -> Object,
        /// Borrowed, or null without an exception.
        PyDict_GetItem: unsafe extern "C" fn(Object, Object) -> Object,
        PyList_Append: unsafe extern "C" fn(Object, Object) -> i32,
        PyList_Size: unsafe extern "C" fn(Object) -> isize,
        /// Borrowed, or null with an exception set.
        PyList_GetItem: unsafe extern "C" fn(Object, isize) -> Object,
        /// A new list of the items from one index to another.
        PyList_GetSlice: unsafe extern "C" fn(Object, isize, isize) -> Object,
        /// Puts the items of a list, or nothing for null, in the place of those from one index to another; 0 or -1.
        PyList_SetSlice: unsafe extern "C" fn(Object, isize, isize, Object) -> i32,
        /// Makes a forked child whole: locks, threads, signals, and then the hooks of `os.register_at_fork`.
        PyOS_AfterFork_Child: unsafe extern "C" fn(),
        /// Text of a float that `PyMem_Free` lets go; format, precision, flags, and where to put the type.
        PyOS_double_to_string: unsafe extern "C" fn(f64, c_char, i32, i32, *mut i32) -> *mut c_char,
        PyMem_Free: unsafe extern "C" fn(*mut c_char),
        PyErr_NoMemory: unsafe extern "C" fn() -> Object,
        PyErr_SetFromErrno: unsafe extern "C" fn(Object) -> Object,
        PyErr_SetString: unsafe extern "C" fn(Object, *const c_char),
        Py_IncRef: unsafe extern "C" fn(Object),
        Py_DecRef: unsafe extern "C" fn(Object),
    }
    data {
        // the address of a variable that holds the exception's class
        PyExc_TypeError,
        PyExc_OSError,
        PyBaseObject_Type,
        PyType_Type,
        PyLong_Type,
        PyBool_Type,
        PyUnicode_Type,
        PyBytes_Type,
        PyTuple_Type,
        PyList_Type,
        PyDict_Type,
        PySet_Type,
        PyFrozenSet_Type,
        PyCell_Type,
        PyFloat_Type,
        _PyWeakref_RefType,
        _Py_NoneStruct,
    }
}

/// Address of a symbol whose name ends with a zero byte.
fn symbol(name: &str) -> Option<usize> {
    let name = CStr::from_bytes_with_nul(name.as_bytes()).ok()?;
    // SAFETY: the name is a C string
    let address = unsafe { dlsym(ANYWHERE as *mut c_void, name.as_ptr()) } as usize;
    (address != 0).then_some(address)
}
