//! Holds an answer to a grammar: before each token, which ones may come next, and which must.
//!
//! The grammar engine works on its own copy of the vocabulary as a tree of bytes, made once a model. Whatever it
//! says of a grammar, or of its own failure, comes back as text: no panic of it leaves this module.

use std::fmt;
use std::sync::Arc;
use std::thread;

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use llguidance::{Matcher, ParserFactory, TokenParser};

use super::tokens::Vocabulary;

/// Steps that compiling one grammar may take: some 20 ms of them.
const COMPILE_FUEL: u64 = 1_000_000;
/// Steps that one token's mask may take: some 15 ms of them.
const MASK_FUEL: u64 = 200_000;
/// States a grammar's lexer may have, of 1 to 2 KB each.
const MOST_STATES: usize = 20_000;
/// Symbols a grammar may have.
const MOST_SYMBOLS: usize = 100_000;
/// The compiler recurses into schemas and along their references. The system gives memory only for what is used.
const COMPILE_STACK: usize = 64 << 20;
/// Bytes of the compiler's word on a grammar that are passed on.
const MESSAGE_BYTES: usize = 400;

/// Makes guides for one model's vocabulary.
pub(crate) struct Guides {
    factory: ParserFactory,
}

impl fmt::Debug for Guides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guides").finish_non_exhaustive()
    }
}

impl Guides {
    /// Builds the tree of the vocabulary; `Err` says why it can't be.
    pub(crate) fn new(vocabulary: Arc<Vocabulary>) -> Result<Self, String> {
        let size = vocabulary.size();
        let ends: Vec<TokenId> = vocabulary.ends_known();
        let words: Vec<Vec<u8>> = (0..size).map(|id| word(&vocabulary, id)).collect();
        let end = *ends.first().ok_or("no token of its vocabulary ends an answer")?;
        let trie = TokTrie::from(&TokRxInfo::new(size, end), &words).with_eos_tokens(&ends);
        let environment: TokEnv = Arc::new(Environment { vocabulary, trie });
        let capabilities = InferenceCapabilities {
            ff_tokens: true,
            ..InferenceCapabilities::default()
        };
        let slices = SlicedBiasComputer::general_slices();
        let mut factory =
            ParserFactory::new(&environment, capabilities, &slices).map_err(|error| error.to_string())?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.initial_lexer_fuel = COMPILE_FUEL;
        limits.step_lexer_fuel = MASK_FUEL;
        limits.max_lexer_states = MOST_STATES;
        limits.max_grammar_size = MOST_SYMBOLS;
        limits.verbose_errors = false;
        Ok(Self { factory })
    }

    /// Compiles a grammar; `Err` is the compiler's word on why it can't.
    pub(crate) fn guide(&self, grammar: TopLevelGrammar) -> Result<Guide, String> {
        let compile = || self.factory.create_parser(grammar);
        let compiled: thread::Result<_> = thread::scope(|scope| {
            let thread = thread::Builder::new().name("grammar".to_owned());
            match thread.stack_size(COMPILE_STACK).spawn_scoped(scope, compile) {
                Ok(running) => running.join(),
                Err(error) => Ok(Err(error.into())),
            }
        });
        match compiled {
            Ok(Ok(parser)) => Ok(Guide::new(parser)),
            Ok(Err(error)) => Err(word_of(&format!("{error:#}"))),
            Err(_) => Err("compiling it failed".to_owned()),
        }
    }
}

/// The bytes of a token as the tree keeps them: control tokens are marked, so that no text matches them.
fn word(vocabulary: &Vocabulary, id: u32) -> Vec<u8> {
    let bytes = vocabulary.bytes(id);
    if !vocabulary.is_control(id) {
        return bytes;
    }
    let mut marked = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    marked.extend(bytes);
    marked
}

/// The compiler's word on one line, without the backtrace it may bring.
fn word_of(said: &str) -> String {
    let said = said.split("<backtrace>").next().unwrap_or_default();
    let said = said.split("<non-verbose/>").next().unwrap_or_default();
    if said.contains("coerce_one_of") {
        return "oneOf can be held only where its choices plainly exclude each other; use anyOf".to_owned();
    }
    let mut line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(panic) = line.strip_prefix("panic: ") {
        line = format!("it made the compiler stumble: {panic}");
    }
    line.truncate(line.floor_char_boundary(MESSAGE_BYTES));
    line
}

/// The vocabulary as the grammar engine sees it.
struct Environment {
    vocabulary: Arc<Vocabulary>,
    trie: TokTrie,
}

impl TokenizerEnv for Environment {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        let encode = |text: &str| {
            let ids = self.vocabulary.encode(text);
            ids.unwrap_or_else(|_| self.trie.greedy_tokenize(text.as_bytes()))
        };
        self.trie.tokenize_with_greedy_fallback(bytes, encode)
    }
}

/// Where one answer is in its grammar.
pub(crate) struct Guide {
    matcher: Matcher,
}

impl Guide {
    fn new(parser: TokenParser) -> Self {
        Self {
            matcher: Matcher::new(Ok(parser)),
        }
    }

    /// Whether the answer is complete and nothing may follow.
    pub(crate) fn is_done(&self) -> bool {
        !self.matcher.is_error() && self.matcher.is_stopped()
    }

    /// The tokens that must come next, if the grammar leaves no choice.
    pub(crate) fn forced(&mut self) -> Result<Vec<u32>, String> {
        if self.is_done() {
            return Ok(Vec::new());
        }
        let forced = self.matcher.compute_ff_tokens();
        match self.matcher.get_error() {
            Some(error) => Err(word_of(&error)),
            None => Ok(forced),
        }
    }

    /// Makes the scores of tokens that may not come next hopeless.
    pub(crate) fn mask(&mut self, scores: &mut [f32]) -> Result<(), String> {
        let allowed = self
            .matcher
            .compute_mask()
            .map_err(|error| word_of(&error.to_string()))?;
        let mut words = allowed.as_slice().iter();
        for chunk in scores.chunks_mut(32) {
            let word = words.next().copied().unwrap_or(0);
            if word == u32::MAX {
                continue;
            }
            for (bit, score) in chunk.iter_mut().enumerate() {
                if word & (1 << bit) == 0 {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
        Ok(())
    }

    /// Takes tokens that the answer goes on with.
    pub(crate) fn accept(&mut self, tokens: &[u32]) -> Result<(), String> {
        self.matcher
            .consume_tokens(tokens)
            .map_err(|error| word_of(&error.to_string()))
    }
}
