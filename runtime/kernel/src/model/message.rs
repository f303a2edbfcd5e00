//! What is said in a conversation with a model: messages, and the parts they are made of.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who said a message, in a conversation with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelRole {
    /// Instructions.
    System,
    /// A person.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// A model's wish to call a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call, repeated with its result.
    pub id: String,
    /// Which tool.
    pub name: String,
    /// The arguments, JSON text as the model wrote it.
    pub arguments: String,
}

/// How long a provider is asked to keep a prompt's beginning in its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CacheFor {
    /// Five minutes.
    #[serde(rename = "5m")]
    Minutes5,
    /// An hour.
    #[serde(rename = "1h")]
    Hour1,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ImageSource {
    /// In the message itself.
    Base64 {
        /// Such as `image/png`.
        media_type: String,
        /// Base64, standard alphabet, padded.
        data: String,
    },
    /// Where the provider fetches it.
    Url {
        /// An https URL.
        url: String,
    },
}

/// How closely a model should look at an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageDetail {
    /// A glance: few tokens.
    Low,
    /// Closely: many tokens.
    High,
}

/// What a model thought before it answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reasoning {
    /// As far as the provider shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What must go back to the provider with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Seal>,
}

/// Something that only the wire family that wrote it can read: signatures, encrypted thoughts. It goes back to that
/// family unchanged and to no other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seal {
    /// Who wrote it: `anthropic`, `openai`, `bedrock`.
    pub family: String,
    /// What it wrote.
    pub value: Value,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Everything up to here may be kept in the provider's prompt cache.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheFor>,
    },
    /// An image, in what a user says or a tool found.
    Image {
        /// Where it is.
        source: ImageSource,
        /// How closely to look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
        /// Everything up to here may be kept in the provider's prompt cache.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cache: Option<CacheFor>,
    },
    /// What the assistant thought before what follows.
    Reasoning(Reasoning),
}

impl Part {
    /// A part of text without a mark.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            cache: None,
        }
    }
}

/// What a message says: mostly text alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text alone.
    Text(String),
    /// Parts in order.
    Parts(Vec<Part>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Content {
    /// Its text, the text of several parts one after the other.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Parts(parts) => {
                let mut texts = parts.iter().filter_map(|part| match part {
                    Part::Text { text, .. } => Some(text.as_str()),
                    Part::Image { .. } | Part::Reasoning(_) => None,
                });
                match (texts.next(), texts.next()) {
                    (first, None) => Cow::Borrowed(first.unwrap_or_default()),
                    (Some(first), Some(second)) => {
                        Cow::Owned([first, second].into_iter().chain(texts).collect())
                    }
                    (None, Some(_)) => Cow::Borrowed(""),
                }
            }
        }
    }

    /// Whether there is an image in it.
    pub fn has_image(&self) -> bool {
        self.images() > 0
    }

    /// How many images are in it.
    pub fn images(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Parts(parts) => {
                let is_image = |part: &&Part| matches!(part, Part::Image { .. });
                parts.iter().filter(is_image).count()
            }
        }
    }
}

/// One message to or from a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelMessage {
    /// Who said it.
    pub role: ModelRole,
    /// What was said.
    pub content: Content,
    /// Tools the assistant asked for in this message.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call a tool message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// In a tool message: the tool failed, and the content says how.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

impl ModelMessage {
    /// A message of text alone.
    pub fn text(role: ModelRole, content: impl Into<String>) -> Self {
        Self::new(role, Content::Text(content.into()))
    }

    /// A message without tools.
    pub fn new(role: ModelRole, content: Content) -> Self {
        Self {
            role,
            content,
            tool_calls: Vec::new(),
            tool_call_id: None,
            is_error: false,
        }
    }
}
