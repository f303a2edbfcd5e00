//! How many threads the tensor library may use, said the only way it listens to.

/// Threads beyond which a small model gains nothing.
const MOST_THREADS: usize = 4;

/// The environment variables a process must be started with on a machine of `cores` cores, and their values.
///
/// The tensor library reads them once, at its first multiplication, and its pool spins while it waits: more threads
/// than idle cores make it many times slower and starve everybody else. So it gets one thread on a small machine
/// and at most half the cores of a larger one. A process that finds other values (or none) at its start sets these
/// and executes itself again; values an operator has set are better left alone.
pub fn thread_variables(cores: usize) -> [(&'static str, String); 2] {
    let threads = (cores / 2).clamp(1, MOST_THREADS).to_string();
    [
        ("CANDLE_NUM_THREADS", threads.clone()),
        ("RAYON_NUM_THREADS", threads),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_gets_half_the_cores_at_least_one_and_at_most_four() {
        for (cores, threads) in [(0, "1"), (1, "1"), (2, "1"), (4, "2"), (8, "4"), (96, "4")] {
            let expected = [
                ("CANDLE_NUM_THREADS", threads.to_owned()),
                ("RAYON_NUM_THREADS", threads.to_owned()),
            ];
            assert_eq!(thread_variables(cores), expected, "{cores} cores");
        }
    }
}
