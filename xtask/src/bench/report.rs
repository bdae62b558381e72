//! The numbers, as a table that can be pasted into a document.

use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

use super::Kind;
use super::load::Sample;

/// All rounds of all measurements.
#[derive(Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    kind: Kind,
    connections: usize,
    /// (plain, chain) of each round.
    rounds: Vec<(Sample, Sample)>,
}

impl Results {
    /// Adds one round.
    pub(crate) fn add(&mut self, kind: Kind, connections: usize, plain: Sample, chain: Sample) {
        let round = (plain, chain);
        let same = |series: &&mut Series| series.kind == kind && series.connections == connections;
        match self.series.iter_mut().find(same) {
            Some(series) => series.rounds.push(round),
            None => self.series.push(Series {
                kind,
                connections,
                rounds: vec![round],
            }),
        }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| | plain Envoy | whole chain | ratio |")?;
        writeln!(formatter, "|---|---:|---:|---:|")?;
        for series in &self.series {
            if series.connections == 1 {
                series.write_latency(formatter)?;
            } else {
                series.write_throughput(formatter)?;
            }
        }
        Ok(())
    }
}

impl Series {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Json => "JSON",
            Kind::Stream => "stream of 100 events",
        }
    }

    fn write_throughput(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<(f64, f64)> = self
            .rounds
            .iter()
            .map(|(plain, chain)| (rate(plain), rate(chain)))
            .collect();
        let plain = middle(rates.iter().map(|(plain, _)| *plain).collect());
        let chain = middle(rates.iter().map(|(_, chain)| *chain).collect());
        let ratio = middle(rates.iter().map(|(plain, chain)| chain / plain).collect());
        writeln!(
            formatter,
            "| {}, {} connections | {plain:.0}/s | {chain:.0}/s | {ratio:.2} |",
            self.name(),
            self.connections
        )
    }

    fn write_latency(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_quantile(formatter, "median", 0.5, |sample| &sample.whole)?;
        self.write_quantile(formatter, "p99", 0.99, |sample| &sample.whole)?;
        if self.kind == Kind::Stream {
            self.write_quantile(formatter, "first event, median", 0.5, |sample| {
                &sample.first
            })?;
            self.write_quantile(formatter, "first event, p99", 0.99, |sample| &sample.first)?;
        }
        Ok(())
    }

    fn write_quantile(
        &self,
        formatter: &mut fmt::Formatter<'_>,
        what: &str,
        share: f64,
        times: impl Fn(&Sample) -> &Vec<Duration>,
    ) -> fmt::Result {
        let of = |side: fn(&(Sample, Sample)) -> &Sample| {
            let all = self.rounds.iter().flat_map(|round| times(side(round)));
            quantile(all.map(|time| time.as_secs_f64() * 1000.0).collect(), share)
        };
        let (plain, chain) = (of(|round| &round.0), of(|round| &round.1));
        writeln!(
            formatter,
            "| {}, 1 connection, {what} | {plain:.2} ms | {chain:.2} ms | {:.2} ({:+.2} ms) |",
            self.name(),
            chain / plain,
            chain - plain
        )
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "no slice holds as many answers as would lose precision"
)]
fn rate(sample: &Sample) -> f64 {
    sample.whole.len() as f64 / sample.lasted.as_secs_f64()
}

fn middle(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value below which `share` of the values lie; not a number when there are none.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a list that is in memory"
)]
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (last as f64 * share).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// The line that says what was measured on.
pub(crate) fn machine(envoy: &str) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    format!(
        "{cores} cores ({model}), Envoy {envoy} with one worker, Dragoman {} in release mode; \
         generator, provider and service share the cores\n",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: usize, millis: u64) -> Sample {
        Sample {
            whole: vec![Duration::from_millis(millis); count],
            first: vec![Duration::from_millis(millis); count],
            lasted: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_table_shows_rates_times_and_ratios() {
        let mut results = Results::default();
        results.add(Kind::Json, 16, sample(1000, 1), sample(500, 2));
        results.add(Kind::Json, 16, sample(1000, 1), sample(600, 2));
        results.add(Kind::Json, 1, sample(10, 1), sample(10, 3));
        let table = results.to_string();
        assert!(
            table.contains("| JSON, 16 connections | 1000/s | 600/s | 0.60 |"),
            "{table}"
        );
        let median = "| JSON, 1 connection, median | 1.00 ms | 3.00 ms | 3.00 (+2.00 ms) |";
        assert!(table.contains(median), "{table}");
    }

    #[test]
    fn a_quantile_of_nothing_is_not_a_number() {
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }
}
