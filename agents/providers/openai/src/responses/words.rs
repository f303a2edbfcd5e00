//! Words for what failed that only this wire has.

use greenroom_kernel::FaultClass;
use greenroom_provider_http::Verdict;

/// What a `code` or `type` of an error means. The words are in lower case.
pub(crate) fn by_word(word: &str) -> Option<Verdict> {
    let class = match word {
        "invalid_prompt"
        | "invalid_image"
        | "invalid_image_format"
        | "invalid_base64_image"
        | "invalid_image_url"
        | "invalid_image_mode"
        | "image_too_large"
        | "image_too_small"
        | "image_parse_error"
        | "image_file_too_large"
        | "image_file_not_found"
        | "unsupported_image_media_type"
        | "empty_image_file"
        | "failed_to_download_image" => FaultClass::BadRequest,
        "image_content_policy_violation" | "bio_policy" => FaultClass::ContentFilter,
        _ => return None,
    };
    Some(Verdict::Plain(class))
}
