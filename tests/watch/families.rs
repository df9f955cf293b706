//! Memory of programs that leak and of programs that do not, drawn up by seed.

/// Numbers that look random and are the same in every run (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// From 0 up to 1.
    pub(super) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll()
    }

    /// Normal, mean 0, standard deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// Makes the memory at shares 0 to 1 of the time that is watched, as a share of the first level.
pub(super) type Family = fn(&mut Dice, &[f64]) -> Vec<f64>;

/// What does not leak.
pub(super) const SOUND: [(&str, Family); 16] = [
    ("constant", |_, x| vec![1.0; x.len()]),
    ("noise", |dice, x| {
        let wide = dice.between(0.001, 0.1);
        x.iter().map(|_| 1.0 + wide * dice.normal().abs()).collect()
    }),
    ("sawtooth", |dice, x| {
        let saw = Saw::new(dice, 0.01, 0.12);
        x.iter().map(|&x| 1.0 + saw.at(x)).collect()
    }),
    ("slow sawtooth", |dice, x| {
        let saw = Saw::new(dice, 0.12, 0.6);
        x.iter().map(|&x| 1.0 + saw.at(x)).collect()
    }),
    ("uneven sawtooth", |dice, x| {
        let (high, chance) = (dice.between(0.1, 1.0), dice.between(0.01, 0.1));
        let mut garbage = 0.0;
        let mut next = |dice: &mut Dice| {
            garbage = if dice.roll() < chance { 0.0 } else { garbage + high * chance * dice.roll() };
            1.0 + garbage
        };
        x.iter().map(|_| next(dice)).collect()
    }),
    ("logarithmic warm-up", |dice, x| {
        let (high, early) = (dice.between(0.1, 0.5), dice.between(0.002, 0.03));
        x.iter().map(|&x| 1.0 + high * (x / early).ln_1p() / 5.0 + 0.003 * dice.normal().abs()).collect()
    }),
    ("filling up", |dice, x| {
        let (high, early) = (dice.between(0.1, 2.0), dice.between(0.02, 0.25));
        x.iter().map(|&x| 1.0 + high * (1.0 - (-x / early).exp()) + 0.003 * dice.normal().abs()).collect()
    }),
    ("a cache until it is full", |dice, x| {
        let (high, full) = (dice.between(0.1, 2.0), dice.between(0.1, 0.7));
        x.iter().map(|&x| 1.0 + high * (x / full).min(1.0) + 0.003 * dice.normal().abs()).collect()
    }),
    ("one step", |dice, x| {
        let (high, when, wide) = (dice.between(0.05, 1.0), dice.roll(), dice.between(0.0, 0.02));
        x.iter().map(|&x| 1.0 + if x > when { high } else { 0.0 } + wide * dice.normal().abs()).collect()
    }),
    ("one step under a sawtooth", |dice, x| {
        let (high, when, saw) = (dice.between(0.05, 1.0), dice.roll(), Saw::new(dice, 0.01, 0.08));
        x.iter().map(|&x| 1.0 + if x > when { high } else { 0.0 } + saw.at(x)).collect()
    }),
    ("a walk between walls", |dice, x| {
        let (walls, step) = (dice.between(0.05, 0.3), dice.between(0.02, 0.1));
        let mut at = walls / 2.0;
        let mut next = |dice: &mut Dice| {
            at = (at + step * walls * dice.normal() * 3.0).clamp(0.0, walls);
            1.0 + at
        };
        x.iter().map(|_| next(dice)).collect()
    }),
    ("traffic by the hour", |dice, x| {
        let (high, period, phase) = (dice.between(0.05, 0.5), dice.between(0.1, 0.5), dice.roll());
        let wave = |x: f64| (std::f64::consts::TAU * (x / period + phase)).sin();
        x.iter().map(|&x| 1.5 + high * wave(x) + 0.005 * dice.normal()).collect()
    }),
    ("noise that remembers", |dice, x| sticky(dice, x, 0.8)),
    ("noise that remembers long", |dice, x| sticky(dice, x, 0.95)),
    ("requests now and then", |dice, x| {
        let (high, chance) = (dice.between(0.2, 3.0), dice.between(0.01, 0.5));
        x.iter().map(|_| 1.0 + if dice.roll() < chance { high * dice.roll() } else { 0.0 }).collect()
    }),
    ("giving back", |dice, x| {
        let (high, saw) = (dice.between(0.0, 0.4), Saw::new(dice, 0.01, 0.1));
        x.iter().map(|&x| 2.0 - high * x + saw.at(x)).collect()
    }),
];

/// What leaks: at least a twentieth of the first level in the time that is watched.
pub(super) const LEAKING: [(&str, Family); 9] = [
    ("straight", |dice, x| {
        let leak = dice.between(0.05, 1.0);
        x.iter().map(|&x| 1.0 + leak * x + 0.002 * dice.normal().abs()).collect()
    }),
    ("straight in noise", |dice, x| {
        let leak = dice.between(0.05, 1.0);
        x.iter().map(|&x| 1.0 + leak * (x + 0.1 * dice.normal().abs())).collect()
    }),
    ("under a sawtooth", |dice, x| {
        let (leak, saw) = (dice.between(0.05, 1.0), Saw::new(dice, 0.01, 0.06));
        x.iter().map(|&x| 1.0 + leak * x + saw.at(x)).collect()
    }),
    ("under a slower sawtooth", |dice, x| {
        let (leak, saw) = (dice.between(0.1, 1.0), Saw::new(dice, 0.05, 0.09));
        x.iter().map(|&x| 1.0 + leak * x + saw.at(x)).collect()
    }),
    ("stairs", |dice, x| {
        let (leak, steps) = (dice.between(0.05, 1.0), dice.between(8.0, 40.0).floor());
        x.iter().map(|&x| 1.0 + leak * (x * steps).floor() / steps + 0.001 * dice.normal().abs()).collect()
    }),
    ("after a warm-up", |dice, x| {
        let (leak, high, early) = (dice.between(0.1, 1.0), dice.between(0.1, 1.0), dice.between(0.005, 0.04));
        x.iter().map(|&x| 1.0 + leak * x + high * (1.0 - (-x / early).exp()) + 0.002 * dice.normal().abs()).collect()
    }),
    ("under traffic", |dice, x| {
        let (leak, period, phase) = (dice.between(0.1, 1.0), dice.between(0.02, 0.08), dice.roll());
        let wave = |x: f64| (std::f64::consts::TAU * (x / period + phase)).sin();
        x.iter().map(|&x| 1.5 + leak * (x + 0.4 * wave(x))).collect()
    }),
    ("faster and faster", |dice, x| {
        let leak = dice.between(0.1, 1.0);
        x.iter().map(|&x| 1.0 + leak * (0.3 * x + 0.7 * x * x) + 0.002 * dice.normal().abs()).collect()
    }),
    ("with noise that remembers", |dice, x| {
        let leak = dice.between(0.1, 1.0);
        let noise = sticky(dice, x, 0.8);
        x.iter().zip(noise).map(|(&x, noise)| 1.0 + leak * (x + noise - 1.0)).collect()
    }),
];

/// Garbage that piles up and is collected.
struct Saw {
    high: f64,
    period: f64,
    phase: f64,
}

impl Saw {
    fn new(dice: &mut Dice, shortest: f64, longest: f64) -> Self {
        Self { high: dice.between(0.05, 1.0), period: dice.between(shortest, longest), phase: dice.roll() }
    }

    fn at(&self, x: f64) -> f64 {
        self.high * (x / self.period + self.phase).fract()
    }
}

fn sticky(dice: &mut Dice, x: &[f64], memory: f64) -> Vec<f64> {
    let wide = dice.between(0.005, 0.03);
    let mut now = 0.0;
    let mut next = |dice: &mut Dice| {
        now = memory * now + dice.normal();
        1.0 + wide * now
    };
    x.iter().map(|_| next(dice)).collect()
}

/// A series of a family: level, number and distance of samples are thrown as well.
pub(super) fn series(family: Family, seed: u64) -> Vec<(f64, f64)> {
    let mut dice = Dice(seed.wrapping_mul(0x1234_5678_9abc_def1));
    let count = dice.between(90.0, 1200.0);
    let interval = dice.between(0.5, 5.0);
    let level = dice.between(30.0, 2000.0) * 1_048_576.0;
    let shares: Vec<f64> = (0..count as usize).map(|place| (place as f64 + dice.between(-0.1, 0.1)) / count).collect();
    let values = family(&mut dice, &shares);
    shares.iter().zip(values).map(|(share, value)| (share * count * interval, (value * level).round())).collect()
}
