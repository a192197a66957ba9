//! The figures of a moment, in the text format that Prometheus and all that is compatible with it
//! read (`text/plain; version=0.0.4`).

use prometheus::{
    TextEncoder,
    proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    Histogram,
    families::{FAMILIES, Family, Kind, Label},
};
use crate::limits::METRIC_SERIES;

/// What the page is, for the `Content-Type` header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being filled. Families are in the order of their definition, whatever the order
/// in which they are filled.
#[derive(Debug)]
pub struct Page {
    metrics: Vec<Vec<Metric>>,
}

impl Default for Page {
    fn default() -> Self {
        Self { metrics: FAMILIES.iter().map(|_| Vec::new()).collect() }
    }
}

impl Page {
    /// Adds a figure. `labels` are the values of the family's labels, in their order. Of each
    /// family there are [`METRIC_SERIES`] at most; more are left out.
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
    pub fn count(&mut self, family: &Family, labels: &[&str], value: u64) {
        self.value(family, labels, value as f64);
    }

    /// As [`Page::count`], for what is no whole number.
    pub fn value(&mut self, family: &Family, labels: &[&str], value: f64) {
        let mut metric = labelled(family, labels);
        match family.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        self.add(family, metric);
    }

    /// Whether something is so: 1 or 0.
    pub fn flag(&mut self, family: &Family, labels: &[&str], is_so: bool) {
        self.count(family, labels, u64::from(is_so));
    }

    /// As [`Page::count`], for how long something takes.
    pub fn durations(&mut self, family: &Family, labels: &[&str], durations: &Histogram) {
        let mut histogram = prometheus::proto::Histogram::default();
        histogram.set_sample_count(durations.count());
        histogram.set_sample_sum(durations.sum_seconds());
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        histogram.set_bucket(durations.cumulative().map(bucket).collect());
        let mut metric = labelled(family, labels);
        metric.set_histogram(histogram);
        self.add(family, metric);
    }

    fn add(&mut self, family: &Family, metric: Metric) {
        let place = FAMILIES.iter().position(|known| known.name == family.name);
        if let Some(metrics) = place.and_then(|place| self.metrics.get_mut(place))
            && metrics.len() < METRIC_SERIES
        {
            metrics.push(metric);
        }
    }

    /// The text. Families without a figure are not in it.
    #[must_use]
    pub fn text(self) -> String {
        let families = FAMILIES.iter().zip(self.metrics);
        let families = families.filter(|(_, metrics)| !metrics.is_empty());
        let families: Vec<_> =
            families.map(|(family, metrics)| printable(family, metrics)).collect();
        // It refuses families without a name or a metric, of which there is none.
        TextEncoder::new().encode_to_string(&families).unwrap_or_default()
    }
}

fn labelled(family: &Family, values: &[&str]) -> Metric {
    debug_assert_eq!(family.labels.len(), values.len(), "labels of {}", family.name);
    let pair = |(label, value): (&&Label, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.name.to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(family.labels.iter().zip(values).map(pair).collect());
    metric
}

fn printable(family: &Family, metrics: Vec<Metric>) -> MetricFamily {
    let mut printed = MetricFamily::default();
    printed.set_name(family.name.to_owned());
    printed.set_help(family.help().to_owned());
    printed.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    printed.set_metric(metrics);
    printed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::families as of;

    #[test]
    fn figures_are_printed_by_family_with_help_and_type_and_strangers_names_are_escaped() {
        let mut page = Page::default();
        page.value(of::CLOCK_SKEW, &[], -2.5);
        page.count(of::EVENTS, &["outbound.queued", "a \"b\"\\\n"], 7);
        let mut took = Histogram::default();
        took.note_us(20_000);
        page.durations(of::ATTEMPT_SECONDS, &["Shop"], &took);
        let text = page.text();
        for line in [
            "# TYPE mailherald_events_total counter",
            r#"mailherald_events_total{type="outbound.queued",source="a \"b\"\\\n"} 7"#,
            "mailherald_clock_skew_seconds -2.5",
            "# TYPE mailherald_attempt_seconds histogram",
            r#"mailherald_attempt_seconds_bucket{webhook="Shop",le="0.01"} 0"#,
            r#"mailherald_attempt_seconds_bucket{webhook="Shop",le="0.025"} 1"#,
            r#"mailherald_attempt_seconds_bucket{webhook="Shop",le="+Inf"} 1"#,
            r#"mailherald_attempt_seconds_sum{webhook="Shop"} 0.02"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("mailherald_backlog"), "nothing is known of it");
    }

    #[test]
    fn of_no_family_there_are_more_series_than_the_bound() {
        let mut page = Page::default();
        for number in 0..METRIC_SERIES + 5 {
            page.count(of::BACKLOG, &[&number.to_string()], 1);
        }
        let text = page.text();
        assert_eq!(text.matches("mailherald_backlog{").count(), METRIC_SERIES);
    }
}
