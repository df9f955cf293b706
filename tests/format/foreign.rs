//! Formats that are known and not read.

use ::retainers::error::Error;

use crate::support::heap::{load, try_load};

fn refused(bytes: &[u8]) -> (&'static str, &'static str) {
    match try_load(bytes) {
        Err(Error::Foreign { what, advice, .. }) => (what, advice),
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)])),
    }
}

fn padded(start: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    bytes.resize(400, 0);
    bytes
}

#[test]
fn files_of_other_programs_are_called_by_their_names() {
    let tar = {
        let mut bytes = padded(b"heap.jsonl");
        bytes[257..262].copy_from_slice(b"ustar");
        bytes
    };
    let core = padded(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0");
    let rows: &[(&[u8], &str)] = &[
        (b"JAVA PROFILE 1.0.2\0\0\0\0\x08", "Java (HPROF)"),
        (b"\0\x12portable heap dump\0\0", "Java (PHD)"),
        (b"\0\0\0\0\x07\x54\xd6\x01\0\0\0\x01", "PyHeap"),
        (b"\x14\0\0\0!FastSerialization.1\x05", "gcdump"),
        (b"Nettrace\x14\0\0\0!FastSerialization.1", "trace of .NET"),
        (b"go1.7 heap dump\n\x06\0", "heap dump of Go"),
        (b"heap profile: 1: 2 [3: 4] @ heap/1048576\n", "heap profile in text"),
        (b"heap_v2/524288\n", "jemalloc"),
        (b"\x0a\x04\x08\x01\x10\x02\x0a\x04\x08\x03\x10\x04", "pprof"),
        (&core, "core dump (ELF)"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0", "program or library"),
        (b"MDMP\x93\xa7", "minidump"),
        (b"memray\0\x0a", "memray"),
        (b".loader: _load_stat\n", "guppy"),
        (b"Partition of a set of 34090 objects. Total size = 2366226 bytes.\n", "guppy"),
        (b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x0btracemalloc\x94\x8c\x08Snapshot", "tracemalloc"),
        (b"\x80\x05\x95\x10\0\0\0\0\0\0\0]\x94", "a pickle"),
        (b"CMDLINE python app.py\nMEM 12.3 1700000000.0\n", "mprof"),
        (b"MEM 12.3 1700000000.0\n", "mprof"),
        (b"strict digraph {\n a -> b;\n}\n", "DOT"),
        (b"digraph objgraph { node[shape=box]; }", "DOT"),
        (b"graph [\n directed 1\n", "GML"),
        (b"<?xml version='1.0'?>\n<gexf version=\"1.2\">", "GEXF"),
        (b"<?xml version='1.0'?>\n<graphml>", "GraphML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<other/>", "XML"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"id,type,size\n1,dict,64\n", "table (CSV)"),
        (b"id\ttype\tsize\n1\tdict\t64\n", "tab-separated"),
        (b"address,type,shallow_size,distance,idom,retained\n1,T,1,0,0,1\n", "export of retainers"),
        (
            b"{\"address\":1,\"type\":\"T\",\"shallow_size\":1,\"distance\":0,\"idom\":0,\"retained\":1}\n",
            "export of retainers",
        ),
        (b"\x89rtx\r\n\x1a\n\x04\0\0\0", "index of retainers"),
        (b"\x04\x22\x4d\x18\x64\x40", "LZ4"),
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"PK\x03\x04\x14\0", "zip archive"),
        (&tar, "tar archive"),
        (b"\xff\xfe{\0\"\0", "UTF-16"),
        (b"\xfe\xff\0{\0\"", "UTF-16"),
        (b"{\0\"\0i\0d\0\"\0:\0", "UTF-16"),
        (b"\0{\0\"\0i\0d\0\"\0:", "UTF-16"),
        (b"\xff\xfe\0\0{\0\0\0", "UTF-32"),
        (b"\x1e{\"id\": 1}\n", "RFC 7464"),
        (b"{'id': 1, 'type': 'dict', 'refs': [2]}\n", "Python literals"),
        (b"[{'id': 1, 'type': 'dict'}]", "Python literals"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"SQLite format 3\0", "SQLite"),
    ];
    for (bytes, name) in rows {
        let (what, advice) = refused(bytes);
        assert!(what.contains(name), "{what}, not {name}");
        assert!(advice.len() > 10, "{what}");
    }
}

#[test]
fn json_that_a_reader_might_take_for_its_own_is_refused() {
    for (text, name) in [
        (r#"{"snapshot":{"meta":{"node_fields":["type"]},"node_count":1},"nodes":[0,0,1],"edges":[]}"#, "V8"),
        (r#"{"head":{"callFrame":{"functionName":"(root)"},"selfSize":0,"children":[]}}"#, "V8"),
        (r#"{"edges":[{"id":0,"head":2,"tail":1}],"vertices":[{"id":1},{"id":2}]}"#, "refcycle"),
        (r#"{"nodes":[{"id":"a"}],"adjacency":[[]]}"#, "adjacency"),
        (r#"{"elements":{"nodes":[{"data":{"id":"a"}}],"edges":[{"data":{"source":"a","target":"a"}}]}}"#, "Cytoscape"),
        (r#"{"nodes":[{"data":{"id":"a"}}],"edges":[{"data":{"source":"a","target":"a"}}]}"#, "Cytoscape"),
        (r#"{"elements":[{"data":{"id":"a"}},{"data":{"source":"a","target":"a"}}]}"#, "Cytoscape"),
        (
            r#"{"options":{"type":"directed"},"nodes":[{"key":"a"}],"edges":[{"source":"a","target":"a"}]}"#,
            "graphology",
        ),
        (r#"{"name":"flare","children":[{"name":"analytics","children":[]}]}"#, "tree"),
        (
            r#"{"address":"0x7f00","type":"STRING","class":"0x7f08","embedded":true,"references":["0x7f08"],"memsize":40}"#,
            "Ruby",
        ),
        (r#"{"heap":{"objects":[{"id":1,"type":"T","refs":[]}]}}"#, "below a key"),
        (r#"{"0x10":{"type":"T","refs":[]}}"#, "by their ids"),
        (r#"{"16":{"type":"T","size":8}}"#, "by their ids"),
        (r#"[{"id":1,"type":"T","referrers":[2]}]"#, "referrers"),
        (r#"{"traceEvents":[]}"#, "trace of events"),
    ] {
        assert!(refused(text.as_bytes()).0.contains(name), "{text}");
    }
}

/// Attributes that a dump of ours may have, and that look like marks of others.
#[test]
fn what_only_looks_foreign_is_read() {
    for text in [
        r#"{"nodes":[{"id":1,"data":{"id":7}},{"id":2,"key":"x"}],"links":[{"source":1,"target":2,"data":{"source":2}}]}"#,
        r#"{"nodes":[{"type":"a","key":"x"},{"type":"b"}],"links":[{"source":0,"target":1,"key":0}]}"#,
        r#"{"graph":{"snapshot":{"meta":1},"objects":[{"id":1,"type":"T"}]},"nodes":[{"id":1},{"id":2}],"links":[{"source":1,"target":2}]}"#,
        r#"[{"id":1,"type":"T","referrers":[],"refs":[2]},{"id":2,"type":"T","refs":[]}]"#,
        r#"[{"id":"0x1","type":"OK","refs":["0x2"]},{"id":"0x2","type":"T","refs":[]}]"#,
        r#"[{"id":1,"type":"T","children":[2]},{"id":2,"type":"T","children":[]}]"#,
        "digraph dumped, with, commas\n{\"id\":1,\"type\":\"T\",\"refs\":[2]}\n{\"id\":2,\"type\":\"T\",\"refs\":[]}\n",
        r#"{"id":1,"type":"T","objects":[{"id":5,"type":"x","refs":[]}],"refs":[2]}
{"id":2,"type":"T","refs":[]}"#,
    ] {
        let heap = load(text.as_bytes());
        assert_eq!((heap.graph.object_count(), heap.graph.reference_count()), (2, 1), "{text}");
    }
}
