//! The types of a generated heap: their names, and how their objects hold others.

/// How the references of an object are named.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    /// `[0]`, `[1]`, …
    Positions,
    /// Values under their keys, then the keys: `['a']`, …, `key ['a']`, ….
    Entries,
    /// One name for each reference.
    Fields(&'static [&'static str]),
}

/// What the record says of the object's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing.
    Nothing,
    /// Its number of items.
    Length,
    /// Its text.
    Text,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Float,
    /// Its name.
    Name,
}

/// A type.
#[derive(Debug)]
pub struct Class {
    /// Where it is defined.
    pub module: &'static str,
    /// Its bare name.
    pub name: &'static str,
    /// Shallow size in bytes, without items.
    pub size: u32,
    /// Bytes of each item.
    pub item_size: u32,
    /// How its references are named.
    pub names: Names,
    /// What records say of a value.
    pub shown: Shown,
    /// Whether its objects are roots.
    pub is_root: bool,
}

const fn plain(name: &'static str, size: u32, shown: Shown) -> Class {
    Class { module: "builtins", name, size, item_size: 0, names: Names::Positions, shown, is_root: false }
}

const fn container(name: &'static str, size: u32, item_size: u32, names: Names) -> Class {
    Class { module: "builtins", name, size, item_size, names, shown: Shown::Length, is_root: false }
}

const fn record(module: &'static str, name: &'static str, size: u32, fields: &'static [&'static str]) -> Class {
    Class { module, name, size, item_size: 0, names: Names::Fields(fields), shown: Shown::Nothing, is_root: false }
}

const fn named(name: &'static str, size: u32, fields: &'static [&'static str]) -> Class {
    Class {
        module: "builtins",
        name,
        size,
        item_size: 0,
        names: Names::Fields(fields),
        shown: Shown::Name,
        is_root: false,
    }
}

/// `None`, and what stands for other constants.
pub static NONE: Class = plain("NoneType", 16, Shown::Nothing);
/// `True` and `False`.
pub static BOOL: Class = plain("bool", 28, Shown::Nothing);
/// Whole numbers.
pub static INT: Class = plain("int", 28, Shown::Integer);
/// Numbers with a fraction.
pub static FLOAT: Class = plain("float", 24, Shown::Float);
/// Text of one byte a character.
pub static STR: Class = Class { item_size: 1, ..plain("str", 49, Shown::Text) };
/// Code and line tables.
pub static BYTES: Class = plain("bytes", 133, Shown::Nothing);
/// A mapping.
pub static DICT: Class = container("dict", 64, 50, Names::Entries);
/// A list.
pub static LIST: Class = container("list", 56, 8, Names::Positions);
/// A tuple.
pub static TUPLE: Class = container("tuple", 40, 8, Names::Positions);
/// A module.
pub static MODULE: Class = Class { is_root: true, ..named("module", 72, &["__dict__"]) };
/// A type.
pub static TYPE: Class = named("type", 1064, &["__dict__", "__mro__", "__base__"]);
/// A function.
pub static FUNCTION: Class = named(
    "function",
    136,
    &["__code__", "__globals__", "__module__", "__defaults__", "__doc__", "__qualname__", "__closure__"],
);
/// The code of a function.
pub static CODE: Class = named("code", 200, &["co_consts", "co_code", "co_filename"]);
/// A variable of a closure.
pub static CELL: Class = record("builtins", "cell", 40, &["cell_contents"]);
/// A bound method.
pub static METHOD: Class = record("builtins", "method", 64, &["__func__", "__self__"]);
/// A registry of callbacks.
pub static SIGNAL: Class = record("app.signals", "Signal", 48, &["__dict__", "__class__"]);
/// What a session's callback belongs to.
pub static REPORT_SESSION: Class = record("app.sessions", "ReportSession", 48, &["__dict__", "__class__"]);
/// What leaks.
pub static SESSION_STATE: Class =
    record("app.sessions", "SessionState", 64, &["._old_state", "._new_state", "._user", "__class__"]);
/// A node of a linked list.
pub static NODE: Class = record("app.lists", "Node", 56, &[".value", ".next", "__class__"]);
/// What an ORM keeps beside each row.
pub static ROW_STATE: Class = record("app.orm", "RowState", 48, &[".db", ".adding", ".cache", "__class__"]);

/// The attributes of a row.
const ROW_FIELDS: &[&str] = &[
    "._state",
    ".id",
    ".email",
    ".status",
    ".is_active",
    ".parent",
    ".tags",
    ".history",
    ".currency",
    ".language",
    ".country",
    ".deleted_at",
    ".deleted_by",
    ".notes",
    ".owner",
    ".phone",
    ".fax",
    ".address",
    ".company",
    ".referrer",
    "__class__",
];

const fn row(name: &'static str) -> Class {
    record("app.models", name, 216, ROW_FIELDS)
}

/// The tables of an application.
pub static ROWS: [Class; 24] = [
    row("Account"),
    row("Address"),
    row("Article"),
    row("Basket"),
    row("Carrier"),
    row("Category"),
    row("Comment"),
    row("Contact"),
    row("Coupon"),
    row("Customer"),
    row("Delivery"),
    row("Invoice"),
    row("Item"),
    row("Ledger"),
    row("Message"),
    row("Order"),
    row("Payment"),
    row("Price"),
    row("Product"),
    row("Refund"),
    row("Review"),
    row("Stock"),
    row("Supplier"),
    row("Voucher"),
];

/// The objects of a worst case: those that are no roots, and those that are.
pub static CELLS: [Class; 2] = [
    Class { module: "worst", ..plain("Cell", 48, Shown::Nothing) },
    Class { is_root: true, ..plain("module", 48, Shown::Nothing) },
];
