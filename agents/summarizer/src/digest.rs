//! Map and reduce over a model whose window is unknown.

mod asking;
mod groups;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use greenroom_agent_sdk::{AgentError, Context, ModelAnswer, ModelRequest};

use asking::{Asked, asked, patiently};
use groups::{groups, shorten};

use crate::Summarizer;
use crate::pieces::{clipped, pieces};
use crate::wish::Wish;

/// A token is three bytes or more in most languages and tokenizers.
const TOKEN_BYTES: usize = 3;

/// A piece this small, in bytes, is not halved: if a model refuses it, its length is not why.
const SMALLEST: usize = 300;

/// The summary of everything.
pub(crate) struct Made {
    pub(crate) answer: ModelAnswer,
    /// Into how many pieces the text was cut.
    pub(crate) pieces: usize,
    /// How often summaries were summarized, the last time included.
    pub(crate) rounds: usize,
}

/// One text on its way to a summary.
pub(crate) struct Digest<'a> {
    wish: &'a Wish,
    ctx: Context,
    at_once: usize,
    /// How much text a model takes at once, in bytes, as far as is known.
    budget: usize,
}

impl<'a> Digest<'a> {
    pub(crate) fn new(how: Summarizer, wish: &'a Wish, ctx: Context) -> Self {
        Self {
            wish,
            ctx,
            at_once: how.at_once.max(1),
            budget: how.chunk_tokens.saturating_mul(TOKEN_BYTES).max(SMALLEST),
        }
    }

    pub(crate) async fn make(mut self) -> Result<Made, AgentError> {
        let text = self.wish.content.trim();
        // Alone, so that all others are cut to the size that the model takes.
        let (all, first) = loop {
            let all = pieces(text, self.budget);
            let asked = match all.as_slice() {
                [whole] => self.last(&[whole], "the text").await?,
                [first, ..] => {
                    self.ask(&self.ctx, first, "this part of a longer text", self.note_words())
                        .await?
                }
                [] => return Err(AgentError::bad_input("there is no text to summarize")),
            };
            let tried = all.first().map_or(0, |piece| piece.len());
            let answer = match asked {
                Asked::Answered(answer) => answer,
                Asked::TooLong(_) if tried > SMALLEST => {
                    self.budget = tried / 2;
                    continue;
                }
                Asked::TooLong(said) => said.for_want_of_better()?,
            };
            match all.len() {
                1 => {
                    return Ok(Made {
                        answer,
                        pieces: 1,
                        rounds: 0,
                    });
                }
                _ => break (all, self.noted(&answer)),
            }
        };
        let mut others = Vec::new();
        for piece in all.iter().skip(1) {
            others.push(self.note_one(self.ctx.scope(), piece));
        }
        let mut notes: Vec<String> = vec![first];
        let mut found = stream::iter(others).buffered(self.at_once);
        while let Some(more) = found.try_next().await? {
            notes.extend(more);
        }
        drop(found);
        self.reduce(notes, all.len()).await
    }

    /// Summarizes summaries until they are one.
    async fn reduce(&self, mut notes: Vec<String>, pieces: usize) -> Result<Made, AgentError> {
        let mut budget = self.budget;
        for rounds in 1.. {
            notes.retain(|note| !note.is_empty());
            if notes.is_empty() {
                return Err(AgentError::new(
                    "the model had nothing to say about any part of the text: ask another one",
                ));
            }
            let groups = groups(&notes, budget);
            if groups.len() <= 1 {
                let parts: Vec<&str> = notes.iter().map(String::as_str).collect();
                match self.last(&parts, JOINED).await? {
                    Asked::Answered(answer) => {
                        return Ok(Made {
                            answer,
                            pieces,
                            rounds,
                        });
                    }
                    Asked::TooLong(said) => {
                        let size: usize = notes.iter().map(String::len).sum();
                        if size <= SMALLEST {
                            let answer = said.for_want_of_better()?;
                            return Ok(Made {
                                answer,
                                pieces,
                                rounds,
                            });
                        }
                        budget = size / 2;
                        if notes.len() <= 2 {
                            // Only shorter ones can help.
                            shorten(&mut notes);
                        }
                        continue;
                    }
                }
            }
            let mut merged = Vec::new();
            for group in groups {
                merged.push(self.merge(self.ctx.scope(), group));
            }
            let merged: Vec<Vec<String>> = stream::iter(merged).buffered(self.at_once).try_collect().await?;
            notes = merged.concat();
        }
        Err(AgentError::new("the summaries never became one"))
    }

    /// The summaries of a piece: one, or of its halves where the model finds it too long.
    async fn note_one(&self, ctx: Context, piece: &str) -> Result<Vec<String>, AgentError> {
        let (mut open, mut notes) = (vec![piece], Vec::new());
        while let Some(piece) = open.pop() {
            match self
                .ask(&ctx, piece, "this part of a longer text", self.note_words())
                .await?
            {
                Asked::Answered(answer) => notes.push(self.noted(&answer)),
                Asked::TooLong(_) if piece.len() > SMALLEST => {
                    open.extend(pieces(piece, piece.len().div_ceil(2)).into_iter().rev());
                }
                Asked::TooLong(said) => notes.push(self.noted(&said.for_want_of_better()?)),
            }
        }
        Ok(notes)
    }

    /// The summary of some summaries: one, or of their halves where the model finds them too long.
    async fn merge(&self, ctx: Context, group: Vec<String>) -> Result<Vec<String>, AgentError> {
        let (mut open, mut merged) = (vec![group], Vec::new());
        while let Some(mut group) = open.pop() {
            if group.len() == 1 {
                merged.append(&mut group);
                continue;
            }
            match self
                .ask(&ctx, &group.join("\n\n"), JOINED, self.note_words())
                .await?
            {
                Asked::Answered(answer) => merged.push(self.noted(&answer)),
                Asked::TooLong(_) if group.len() > 2 => {
                    let behind = group.split_off(group.len() / 2);
                    open.extend([behind, group]);
                }
                Asked::TooLong(_) if group.iter().map(String::len).sum::<usize>() > SMALLEST => {
                    shorten(&mut group);
                    open.push(group);
                }
                Asked::TooLong(said) => merged.push(self.noted(&said.for_want_of_better()?)),
            }
        }
        Ok(merged)
    }

    /// The summary that the caller sees.
    async fn last(&self, parts: &[&str], of: &str) -> Result<Asked, AgentError> {
        let words = self.wish.max_words;
        let request = ModelRequest {
            messages: self.wish.messages(of, &parts.join("\n\n"), words),
            ..ModelRequest::default()
        };
        let least = u64::from(words);
        let answer = patiently(&self.ctx, || self.ctx.model(request.clone()).visible()).await;
        asked(answer, least)
    }

    async fn ask(&self, ctx: &Context, text: &str, of: &str, words: usize) -> Result<Asked, AgentError> {
        let words = u32::try_from(words).unwrap_or(u32::MAX);
        let most = words.saturating_mul(2);
        let request = ModelRequest {
            messages: self.wish.messages(of, text, words),
            max_tokens: Some(most),
            ..ModelRequest::default()
        };
        let answer = patiently(ctx, || ctx.model(request.clone())).await;
        asked(answer, u64::from(most) * 3 / 4)
    }

    /// How long a part's summary shall be: several fit what a model takes at once.
    fn note_words(&self) -> usize {
        (self.budget / TOKEN_BYTES / 12).clamp(25, 250)
    }

    /// An answer as the next round takes it: never so long that fewer than four fit.
    fn noted(&self, answer: &ModelAnswer) -> String {
        clipped(&answer.content, (self.budget / 4).max(SMALLEST / 4)).to_owned()
    }
}

const JOINED: &str = "the text, which is made of the summaries of its parts in order, as one";
