//! What a ValidationException is about: the service has one code for a table that isn't ours, for a request that nobody
//! should have made, and for content that it can't keep. Only the last is of what was to be kept: without it the rest may
//! be. So it is what must be known by its words; any other is the table's fault, or ours, and refuses everything.

use greenroom_aws::on_one_line;

use super::{Fault, Place};

/// What the service says of content, in part.
const CONTENT: &[&str] = &[
    // "Item size has exceeded the maximum allowed size", "Item size to update has exceeded …"
    "tem size",
    "Nesting Levels have exceeded supported limits",
    "Size of hashkey has exceeded the maximum size limit",
    "Aggregated size of all range keys has exceeded the size limit",
    "The parameter cannot be converted to a numeric value",
    "Number overflow",
    "Number underflow",
    "Attempting to store more than 38 significant digits",
    "Cannot do an arithmetic operation",
    "Collection size has exceeded",
    "An AttributeValue may not contain",
    "Attribute name is too large",
    "has exceeded the maximum number of attributes",
    "not valid UTF-8",
];

/// What the service says of a table or an index, in part, although the words above may stand there too.
const TABLE: &[&str] = &[
    "schema",
    "Missing the key",
    "Missing the index key",
    "key element does not match",
    "Type mismatch for key",
    "Type mismatch for Index Key",
    "does not have the specified index",
    "non-existent",
    "Requested resource not found",
    "Table name",
    "TableName",
    "tableName",
];

/// What it means.
pub(super) fn invalid(place: &Place, message: &str) -> Fault {
    let says = |words: &[&str]| words.iter().any(|part| message.contains(part));
    let said = on_one_line(message);
    if says(TABLE) {
        return Fault::Refused {
            what: format!("{place} is not as `greenroom migrate` makes it: {said}"),
            remedy: "correct store.table_prefix and store.region, or run `greenroom migrate` on a prefix that is free"
                .to_owned(),
        };
    }
    // A key's value is empty, or too long, only where somebody's id is.
    let of_a_key = message.contains("key value") || message.contains("for index key");
    if says(CONTENT) || of_a_key || message.contains("empty string value") {
        return Fault::Unfit(format!("{place} refused it: {said}"));
    }
    Fault::Refused {
        what: format!("{place} refused a request: {said}"),
        remedy: "report this as a defect, unless store.endpoint names something that isn't DynamoDB"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNFIT: &str = "what was to be kept";
    const TABLE_S: &str = "greenroom migrate";
    const OURS: &str = "defect";

    #[test]
    fn what_is_of_the_table_is_told_apart_from_what_is_of_the_content() {
        let place = Place {
            table: "greenroom-journal".to_owned(),
            region: "eu-west-1".to_owned(),
            endpoint: None,
        };
        for (message, of) in [
            ("Item size has exceeded the maximum allowed size", UNFIT),
            ("Item size to update has exceeded the maximum allowed size", UNFIT),
            (
                "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
                UNFIT,
            ),
            (
                "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
                UNFIT,
            ),
            (
                "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
                UNFIT,
            ),
            ("The parameter cannot be converted to a numeric value: 12x", UNFIT),
            (
                "Number overflow. Attempting to store a number with magnitude larger than supported range",
                UNFIT,
            ),
            (
                "Attempting to store more than 38 significant digits in a Number",
                UNFIT,
            ),
            (
                "One or more parameter values were invalid: An AttributeValue may not contain an empty string",
                UNFIT,
            ),
            (
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
                UNFIT,
            ),
            (
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: work, IndexKey: when",
                UNFIT,
            ),
            ("The provided key element does not match the schema", TABLE_S),
            (
                "One or more parameter values were invalid: Missing the key sk in the item",
                TABLE_S,
            ),
            (
                "One or more parameter values were invalid: Type mismatch for key pk expected: N actual: S",
                TABLE_S,
            ),
            (
                "One or more parameter values were invalid: Type mismatch for Index Key made Expected: N Actual: S IndexName: lists",
                TABLE_S,
            ),
            ("The table does not have the specified index: work", TABLE_S),
            ("Cannot do operations on a non-existent table", TABLE_S),
            ("Query condition missed key schema element: listed", TABLE_S),
            (
                "1 validation error detected: Value 'a' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
                TABLE_S,
            ),
            ("Invalid UpdateExpression: Syntax error; token: \"SETT\"", OURS),
            ("ExpressionAttributeValues must not be empty", OURS),
            (
                "Transaction request cannot include multiple operations on one item",
                OURS,
            ),
            ("Too many items requested for the BatchWriteItem call", OURS),
            ("Something new", OURS),
        ] {
            match invalid(&place, message) {
                Fault::Unfit(_) => assert_eq!(of, UNFIT, "{message}"),
                Fault::Refused { remedy, .. } => assert!(remedy.contains(of), "{message}: {remedy}"),
                other => panic!("{message}: {other:?}"),
            }
        }
    }
}
