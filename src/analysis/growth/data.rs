//! Growth for machines: the JSON that `docs/json-output.md` describes.

use serde_json::{Value, json};

use super::series::Kinship;
use super::tally::Trend;
use super::{DumpFacts, GrownWay, Growth};
use crate::analysis::chains::{SCHEMA, signature_data, unreached_data};
use crate::analysis::origin::Origin;
use crate::graph::Heap;

impl Growth {
    /// Everything that the text shows, numbers exact, of all dumps.
    pub(super) fn data(&self, last: &Heap) -> Value {
        json!({
            "schema": SCHEMA,
            "dumps": self.dumps.iter().map(dump).collect::<Vec<_>>(),
            "one_process": self.is_one_process(),
            "seconds": self.seconds(),
            "new": self.new,
            "survivors": self.survivors,
            "ways": self.ways.iter().map(|grown| way(last, grown)).collect::<Vec<_>>(),
            "containers": self.containers,
            "ways_shrunk": self.shrunk.0,
            "ways_gone": self.shrunk.1,
            "by": self.by.word(),
            "groups": self.groups.iter().filter(|group| group.has_changed()).map(trend).collect::<Vec<_>>(),
            "sites": self.sites.as_ref().map(|sites| {
                sites.iter().filter(|site| site.has_changed()).map(trend).collect::<Vec<_>>()
            }),
        })
    }
}

fn dump(facts: &DumpFacts) -> Value {
    let (kinship, reason) = match &facts.kinship {
        Kinship::Itself | Kinship::SameProcess => ("same_process", None),
        Kinship::Other(reason) => ("other_process", Some(reason)),
    };
    let mut about = serde_json::to_value(&facts.about).unwrap_or_default();
    if let Value::Object(fields) = &mut about {
        fields.insert("objects".into(), facts.objects.into());
        fields.insert("references".into(), facts.references.into());
        fields.insert("reachable".into(), serde_json::to_value(facts.reachable).unwrap_or_default());
        fields.insert("memory".into(), facts.process.map_or(Value::Null, |process| process.data()));
        fields.insert("kinship".into(), kinship.into());
        fields.insert("other_process_because".into(), reason.map(String::as_str).into());
        fields.insert("matched".into(), serde_json::to_value(facts.matched).unwrap_or_default());
        fields.insert("damage".into(), facts.damage.clone().into());
    }
    about
}

fn way(last: &Heap, grown: &GrownWay) -> Value {
    let answer = grown.chains.types.first();
    let held = grown.chains.only_way();
    let unreached = answer.map_or(&[][..], |answer| &answer.unreached);
    json!({
        "fingerprint": grown.fingerprint,
        "type": grown.type_name,
        "origin": match grown.origin {
            Origin::Own => "own",
            Origin::ThirdParty => "third_party",
            Origin::StandardLibrary => "standard_library",
        },
        "counts": grown.counts,
        "retained": grown.retained,
        "change": grown.more_objects(),
        "is_new": grown.is_new(),
        "grew_in_every_step": grown.grew_in_every_step(),
        "survivors": grown.survivors,
        "with": grown.with.iter().map(|(name, change)| json!({"type": name, "change": change})).collect::<Vec<_>>(),
        "chain": held.map(|(answer, held)| signature_data(last, answer, held)),
        "unreached": unreached.iter().take(10).map(|object| unreached_data(last, object)).collect::<Vec<_>>(),
    })
}

fn trend(trend: &Trend) -> Value {
    json!({
        "name": trend.name,
        "counts": trend.counts,
        "own": trend.own,
        "retained": trend.retained,
        "change": trend.more_objects(),
        "grew_in_every_step": trend.grew_in_every_step(),
    })
}
