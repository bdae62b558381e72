//! The numbers, as a table that can be pasted into a document.

use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

use super::Kind;
use super::load::Sample;

/// Who takes turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Envoy as a proxy.
    Plain,
    /// Envoy that asks the service, and does nothing else.
    Asking,
    /// All of it.
    Chain,
}

impl Contender {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Asking, Self::Chain];
}

/// All rounds of all measurements.
#[derive(Debug, Default)]
pub(crate) struct Results {
    series: Vec<Series>,
}

#[derive(Debug)]
struct Series {
    kind: Kind,
    connections: usize,
    /// Samples of each contender, one per round.
    rounds: [Vec<Sample>; 3],
}

impl Results {
    /// Adds one contender's sample of a round.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        connections: usize,
        contender: Contender,
        sample: Sample,
    ) {
        let same = |series: &&mut Series| series.kind == kind && series.connections == connections;
        if let Some(series) = self.series.iter_mut().find(same) {
            series.rounds[contender as usize].push(sample);
            return;
        }
        let mut rounds: [Vec<Sample>; 3] = Default::default();
        rounds[contender as usize].push(sample);
        self.series.push(Series {
            kind,
            connections,
            rounds,
        });
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "| | plain Envoy | asks the service, no more | whole chain | chain to plain |"
        )?;
        writeln!(formatter, "|---|---:|---:|---:|---:|")?;
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
        let rates = |contender| -> Vec<f64> { self.samples(contender).map(rate).collect() };
        let [plain, asking, chain] = Contender::ALL.map(rates);
        let ratios =
            |of: &[f64]| middle(plain.iter().zip(of).map(|(plain, of)| of / plain).collect());
        let (asked, ratio) = (ratios(&asking), ratios(&chain));
        writeln!(
            formatter,
            "| {}, {} connections | {:.0}/s | {:.0}/s ({asked:.2}) | {:.0}/s | {ratio:.2} |",
            self.name(),
            self.connections,
            middle(plain),
            middle(asking),
            middle(chain),
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
        let [plain, asking, chain] = Contender::ALL.map(|contender| {
            let all = self.samples(contender).flat_map(&times);
            quantile(all.map(|time| time.as_secs_f64() * 1000.0).collect(), share)
        });
        writeln!(
            formatter,
            "| {}, 1 connection, {what} | {plain:.2} ms | {asking:.2} ms | {chain:.2} ms | {:.2} ({:+.2} ms) |",
            self.name(),
            chain / plain,
            chain - plain
        )
    }

    fn samples(&self, contender: Contender) -> impl Iterator<Item = &Sample> {
        self.rounds[contender as usize].iter()
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
pub(crate) fn machine(envoy: &str, workers: u32) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    format!(
        "{cores} cores ({model}), Envoy {envoy} with {workers} worker(s), Dragoman {} in release mode; \
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
        for (count, chain) in [(1000, 500), (1000, 600)] {
            results.add(Kind::Json, 16, Contender::Plain, sample(count, 1));
            results.add(Kind::Json, 16, Contender::Asking, sample(800, 1));
            results.add(Kind::Json, 16, Contender::Chain, sample(chain, 2));
        }
        for (contender, millis) in Contender::ALL.into_iter().zip([1, 2, 3]) {
            results.add(Kind::Json, 1, contender, sample(10, millis));
        }
        let table = results.to_string();
        let rates = "| JSON, 16 connections | 1000/s | 800/s (0.80) | 600/s | 0.60 |";
        assert!(table.contains(rates), "{table}");
        let median =
            "| JSON, 1 connection, median | 1.00 ms | 2.00 ms | 3.00 ms | 3.00 (+2.00 ms) |";
        assert!(table.contains(median), "{table}");
    }

    #[test]
    fn a_quantile_of_nothing_is_not_a_number() {
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }
}
