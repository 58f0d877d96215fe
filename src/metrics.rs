//! What every `metrics.rs` needs: constructors that also register a metric, and labels.
//!
//! A layer's metrics are a struct of these. `docs/metrics.md` lists them all.

use std::sync::{Arc, OnceLock};

use prometheus_client::{
    metrics::{
        family::{Family, MetricConstructor},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric, Registry, Unit},
};

/// Makes a metric of the type that the caller's field has, and registers it.
pub trait RegistryExt {
    /// A counter or a gauge, or a [`Family`] of them by label.
    fn register_new<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M;

    fn register_bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M;

    /// A [`Histogram`], or [`Histograms`] by label.
    fn register_seconds<M>(&mut self, name: &str, help: &str, buckets: Buckets) -> M
    where
        M: Metric + Clone + From<Buckets>;
}

/// Histograms by label.
pub type Histograms<L> = Family<L, Histogram, Buckets>;

/// A label whose values are numbered.
pub trait Numbered: Copy + Eq + std::hash::Hash {
    /// How many values there are.
    const COUNT: usize;

    /// Below [`Self::COUNT`].
    fn number(self) -> usize;
}

impl<A: Numbered, B: Numbered> Numbered for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn number(self) -> usize {
        self.0.number() * B::COUNT + self.1.number()
    }
}

/// A [`Family`] whose metrics are looked up once: under its lock and by a hash, that costs as much as a store in memory.
#[derive(Clone, Debug)]
pub struct ByLabel<L, M, C = fn() -> M> {
    family: Family<L, M, C>,
    found: Arc<[OnceLock<M>]>,
}

impl<L: Numbered, M: Clone, C: MetricConstructor<M>> ByLabel<L, M, C> {
    /// The metric with this label. It is shown from now on.
    pub fn get(&self, label: L) -> &M {
        self.found[label.number()].get_or_init(|| self.family.get_or_create_owned(&label))
    }
}

impl<L: Numbered, M, C> From<Family<L, M, C>> for ByLabel<L, M, C> {
    fn from(family: Family<L, M, C>) -> Self {
        Self { family, found: (0..L::COUNT).map(|_| OnceLock::new()).collect() }
    }
}

/// The bounds of a histogram's buckets: `first` is the lowest, and each of the others is `factor` times the one before.
#[derive(Clone, Copy, Debug)]
pub struct Buckets {
    pub first: f64,
    pub factor: f64,
    pub count: u16,
}

impl RegistryExt for Registry {
    fn register_new<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.register(name, help, metric.clone());
        metric
    }

    fn register_bytes<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.register_with_unit(name, help, Unit::Bytes, metric.clone());
        metric
    }

    fn register_seconds<M>(&mut self, name: &str, help: &str, buckets: Buckets) -> M
    where
        M: Metric + Clone + From<Buckets>,
    {
        let metric = M::from(buckets);
        self.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}

impl From<Buckets> for Histogram {
    fn from(Buckets { first, factor, count }: Buckets) -> Self {
        Self::new(exponential_buckets(first, factor, count))
    }
}

impl<L: Clone + std::hash::Hash + Eq> From<Buckets> for Histograms<L> {
    fn from(buckets: Buckets) -> Self {
        Self::new_with_constructor(buckets)
    }
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        (*self).into()
    }
}

/// Defines a label as an enum of its values: `enum ResyncCause as "cause" { Gap = "gap" }`, for a `Family<ResyncCause, Counter>`.
/// A metric with two labels has a pair of them.
macro_rules! label {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident as $label:literal {
            $($(#[$value_meta:meta])* $variant:ident = $value:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis enum $name {
            $($(#[$value_meta])* $variant,)+
        }

        impl $name {
            /// As operators see it.
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $value,)+
                }
            }
        }

        impl $crate::metrics::Numbered for $name {
            const COUNT: usize = [$(Self::$variant),+].len();

            fn number(self) -> usize {
                self as usize
            }
        }

        impl ::prometheus_client::encoding::EncodeLabelSet for $name {
            fn encode(
                &self,
                encoder: &mut ::prometheus_client::encoding::LabelSetEncoder<'_>,
            ) -> ::std::result::Result<(), ::std::fmt::Error> {
                [($label, self.as_str())].encode(encoder)
            }
        }
    };
}

pub(crate) use label;

#[cfg(test)]
mod tests {
    use prometheus_client::{encoding::text::encode, metrics::counter::Counter};

    use super::*;

    label! {
        enum Fruit as "fruit" {
            Apple = "apple",
            SourCherry = "sour_cherry",
        }
    }

    label! {
        enum Shape as "shape" {
            Whole = "whole",
        }
    }

    fn shown(shop: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, shop).unwrap();
        text
    }

    #[test]
    fn labels_are_shown_with_their_names_and_values_alone_and_in_pairs() {
        let mut shop = Registry::default();
        let eaten: Family<Fruit, Counter> = shop.register_new("eaten", "Fruit eaten");
        let sold: Family<(Fruit, Shape), Counter> = shop.register_new("sold", "Fruit sold");
        eaten.get_or_create(&Fruit::SourCherry).inc();
        sold.get_or_create(&(Fruit::Apple, Shape::Whole)).inc_by(2);
        let text = shown(&shop);
        assert!(text.contains("\neaten_total{fruit=\"sour_cherry\"} 1\n"), "{text}");
        assert!(text.contains("\nsold_total{fruit=\"apple\",shape=\"whole\"} 2\n"), "{text}");
    }

    #[test]
    fn each_label_has_its_own_metric_which_is_shown_once_it_was_looked_up() {
        let mut shop = Registry::default();
        let sold: Family<(Shape, Fruit), Counter> = shop.register_new("sold", "Fruit sold");
        let sold = ByLabel::from(sold);
        sold.get((Shape::Whole, Fruit::SourCherry)).inc();
        sold.get((Shape::Whole, Fruit::SourCherry)).inc();
        let text = shown(&shop);
        assert!(text.contains("\nsold_total{shape=\"whole\",fruit=\"sour_cherry\"} 2\n"), "{text}");
        assert!(!text.contains("apple"), "{text}");
        sold.get((Shape::Whole, Fruit::Apple)).inc();
        let text = shown(&shop);
        assert!(text.contains("\nsold_total{shape=\"whole\",fruit=\"apple\"} 1\n"), "{text}");
    }

    #[test]
    fn the_unit_is_part_of_the_name_and_buckets_grow_by_the_factor() {
        let mut shop = Registry::default();
        let buckets = Buckets { first: 0.5, factor: 4.0, count: 3 };
        let time: Histograms<Fruit> = shop.register_seconds("eating", "Time to eat", buckets);
        let weight: Counter = shop.register_bytes("weight", "Weight eaten");
        time.get_or_create(&Fruit::Apple).observe(1.0);
        weight.inc();
        let text = shown(&shop);
        assert!(text.contains("\nweight_bytes_total 1\n"), "{text}");
        let bounds = text.split("le=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert_eq!(bounds.collect::<Vec<_>>(), ["0.5", "2.0", "8.0", "+Inf"], "{text}");
    }
}
