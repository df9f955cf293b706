//! Whose code is a root: the program's own, a third party's, or the standard library's?
//!
//! A module is placed by its `__file__`: under `site-packages` or `dist-packages` it is third-party; under the
//! interpreter's `lib/python3.x`, frozen, or without a file although other modules have one, it is the standard
//! library's; anything else is the program's own. Where the dump has no file, the name decides: `__main__` is the
//! program's, the names of the standard library are its own, all others count as third-party.

use rustc_hash::FxHashMap;

use crate::graph::{Heap, ObjectId, ReferenceKind, RootKind, TypeId};

/// Whose code it is, the most telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The program itself, or the package of the objects asked for.
    Own,
    /// An installed package.
    ThirdParty,
    /// Part of Python.
    StandardLibrary,
}

/// The first part of a dotted name.
pub fn package(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whose code the root at `object` is.
pub fn origin_of_root(heap: &Heap, object: ObjectId, kind: &RootKind, name: &str) -> Origin {
    let file = match kind {
        RootKind::Module => file_of_module(heap, object),
        RootKind::Frame => heap.describe(object).value,
        RootKind::Other(_) => None,
    };
    match file {
        Some(file) => origin_of_file(&file, name),
        None => origin_of_name(name),
    }
}

/// Whose code each type is: that of the module that defines it.
#[derive(Debug)]
pub struct TypeOrigins {
    /// By type.
    origins: Vec<Origin>,
    /// Modules that are roots, by name.
    modules: FxHashMap<Box<str>, Origin>,
}

impl TypeOrigins {
    /// Places all types of a heap by the modules that are its roots.
    pub fn new(heap: &Heap) -> Self {
        let roots = heap.graph.roots().iter().filter(|root| root.kind == RootKind::Module);
        let modules: FxHashMap<&str, ObjectId> =
            roots.filter_map(|root| Some((root.name.as_deref()?, root.object))).collect();
        let has_qualified_types = heap.graph.types().any(|(_, name)| {
            name.rsplit_once('.').is_some_and(|(module, _)| modules.contains_key(module) && !is_standard(module))
        });
        let place = |name: &str| match defining_module(&modules, name) {
            Some((module, object)) => origin_of_root(heap, object, &RootKind::Module, module),
            None if name.contains('.') => origin_of_name(name),
            // a dump without modules of types: what is no built-in type may be anybody's
            None if !has_qualified_types && !BUILT_IN.contains(&name) => Origin::ThirdParty,
            None => Origin::StandardLibrary,
        };
        let origins = heap.graph.types().map(|(_, name)| place(name)).collect();
        let of_module = |(&name, &object): (&&str, &ObjectId)| {
            (Box::from(name), origin_of_root(heap, object, &RootKind::Module, name))
        };
        Self { origins, modules: modules.iter().map(of_module).collect() }
    }

    /// Whose code a dotted name is: that of the longest beginning of it that is a module.
    pub fn of_name(&self, name: &str) -> Origin {
        let mut rest = name;
        loop {
            if let Some(&origin) = self.modules.get(rest) {
                return origin;
            }
            match rest.rsplit_once('.') {
                Some((front, _)) => rest = front,
                None if name.contains('.') => return origin_of_name(name),
                None => return Origin::StandardLibrary,
            }
        }
    }

    /// Whose code the type is.
    pub fn of_type(&self, type_id: TypeId) -> Origin {
        self.origins.get(type_id.index()).copied().unwrap_or(Origin::StandardLibrary)
    }
}

/// The longest beginning of a dotted name that is a module.
fn defining_module<'n>(modules: &FxHashMap<&str, ObjectId>, name: &'n str) -> Option<(&'n str, ObjectId)> {
    let mut rest = name;
    while let Some((front, _)) = rest.rsplit_once('.') {
        if let Some(&object) = modules.get(front) {
            return Some((front, object));
        }
        rest = front;
    }
    None
}

/// Types of CPython and of its import system that dumps without modules of types name like this.
const BUILT_IN: [&str; 62] = [
    "dict",
    "list",
    "tuple",
    "set",
    "frozenset",
    "str",
    "unicode",
    "bytes",
    "bytearray",
    "int",
    "long",
    "float",
    "bool",
    "complex",
    "NoneType",
    "type",
    "object",
    "module",
    "function",
    "method",
    "instancemethod",
    "code",
    "frame",
    "cell",
    "traceback",
    "generator",
    "coroutine",
    "async_generator",
    "builtin_function_or_method",
    "method-wrapper",
    "wrapper_descriptor",
    "method_descriptor",
    "classmethod_descriptor",
    "getset_descriptor",
    "member_descriptor",
    "property",
    "classmethod",
    "staticmethod",
    "weakref",
    "weakproxy",
    "mappingproxy",
    "slice",
    "range",
    "iterator",
    "list_iterator",
    "dict_keyiterator",
    "PyCapsule",
    "ABCMeta",
    "_abc_data",
    "ModuleSpec",
    "SourceFileLoader",
    "ExtensionFileLoader",
    "FileFinder",
    "EnumMeta",
    "EnumType",
    "Random",
    "_NamedIntConstant",
    "_GenericAlias",
    "_SpecialForm",
    "TypeVar",
    "_ProtocolMeta",
    "<unknown type>",
];

fn origin_of_file(file: &str, name: &str) -> Origin {
    let file = file.replace('\\', "/");
    if file.contains("/site-packages/") || file.contains("/dist-packages/") {
        return Origin::ThirdParty;
    }
    let in_library = file.split('/').any(|part| part.starts_with("python3.") || part.starts_with("python2."))
        && file.contains("/lib");
    if in_library || file.starts_with('<') || file.contains("python3") && file.contains(".zip/") {
        return Origin::StandardLibrary;
    }
    if is_standard(name) { Origin::StandardLibrary } else { Origin::Own }
}

fn origin_of_name(name: &str) -> Origin {
    match package(name) {
        "__main__" | "__mp_main__" => Origin::Own,
        _ if is_standard(name) => Origin::StandardLibrary,
        _ => Origin::ThirdParty,
    }
}

fn is_standard(name: &str) -> bool {
    let package = package(name);
    STANDARD_LIBRARY.binary_search(&package).is_ok() || package.strip_prefix('_').is_some_and(is_public_standard)
}

fn is_public_standard(package: &str) -> bool {
    STANDARD_LIBRARY.binary_search(&package).is_ok() || ACCELERATORS.contains(&package)
}

/// The value of `__file__` in the module's dictionary.
fn file_of_module(heap: &Heap, module: ObjectId) -> Option<String> {
    let mut dictionary = None;
    heap.for_each_reference(module, |_, target, name| {
        if name.kind == ReferenceKind::Namespace {
            dictionary = Some(target);
        }
    });
    let mut file = None;
    heap.for_each_reference(dictionary?, |_, target, name| {
        if name.kind == ReferenceKind::Value && name.attribute(true) == Some("__file__") {
            file = Some(target);
        }
    });
    heap.describe(file?).value
}

/// C modules of the standard library whose names are no public module's with an underscore in front.
const ACCELERATORS: [&str; 22] = [
    "abc_data",
    "ast",
    "bootlocale",
    "bootsubprocess",
    "codecs_hk",
    "distutils_hack",
    "elementtree",
    "frozen_importlib",
    "frozen_importlib_external",
    "imp",
    "md5",
    "multibytecodec",
    "multiprocessing",
    "osx_support",
    "posixshmem",
    "posixsubprocess",
    "sha1",
    "sha2",
    "sitebuiltins",
    "sysconfigdata",
    "thread",
    "winapi",
];

/// Top-level modules of the standard library of CPython 3.8 to 3.15, sorted.
const STANDARD_LIBRARY: [&str; 225] = [
    "__future__",
    "abc",
    "aifc",
    "annotationlib",
    "antigravity",
    "argparse",
    "array",
    "ast",
    "asynchat",
    "asyncio",
    "asyncore",
    "atexit",
    "audioop",
    "base64",
    "bdb",
    "binascii",
    "binhex",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cgi",
    "cgitb",
    "chunk",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "compression",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "crypt",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "distutils",
    "doctest",
    "dummy_threading",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "formatter",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "idlelib",
    "imaplib",
    "imghdr",
    "imp",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "lib2to3",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "mailcap",
    "marshal",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "msilib",
    "msvcrt",
    "multiprocessing",
    "netrc",
    "nis",
    "nntplib",
    "nt",
    "ntpath",
    "nturl2path",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "ossaudiodev",
    "parser",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pipes",
    "pkgutil",
    "platform",
    "plistlib",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "pwd",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "smtpd",
    "smtplib",
    "sndhdr",
    "socket",
    "socketserver",
    "spwd",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "sunau",
    "symbol",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "telnetlib",
    "tempfile",
    "termios",
    "textwrap",
    "this",
    "threading",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "tomllib",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "turtledemo",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uu",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xdrlib",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
];
