//! The description of the table, in one file: in the words of CloudFormation's `AWS::DynamoDB::Table`, so that a deployment
//! can create the same.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription,
};
use greenroom_kernel::StoreError;
use serde::Deserialize;

/// The description of every table, as JSON: properties of CloudFormation's `AWS::DynamoDB::Table`, by the last part of
/// the table's name.
pub const DYNAMODB_TABLES: &str = include_str!("../tables.json");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Description {
    attribute_definitions: Vec<Attribute>,
    pub(super) key_schema: Vec<Key>,
    global_secondary_indexes: Vec<Index>,
    pub(super) point_in_time_recovery_specification: Recovery,
    pub(super) time_to_live_specification: TimeToLive,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    index_name: String,
    key_schema: Vec<Key>,
    projection: Projected,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projected {
    projection_type: String,
    non_key_attributes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Recovery {
    pub(super) point_in_time_recovery_enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TimeToLive {
    pub(super) attribute_name: String,
    pub(super) enabled: bool,
}

#[derive(Deserialize)]
struct Tables {
    journal: Description,
}

pub(super) fn corrupt(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt {
        operation: super::OPERATION,
        what: "the description of the tables".into(),
        source: Some(Box::new(source)),
    }
}

pub(super) fn key_schema(keys: &[Key]) -> Result<Vec<KeySchemaElement>, StoreError> {
    let element = |key: &Key| {
        KeySchemaElement::builder()
            .attribute_name(&key.attribute_name)
            .key_type(KeyType::from(key.key_type.as_str()))
            .build()
            .map_err(corrupt)
    };
    keys.iter().map(element).collect()
}

impl Description {
    pub(super) fn read() -> Result<Self, StoreError> {
        let tables: Tables = serde_json::from_str(DYNAMODB_TABLES).map_err(corrupt)?;
        Ok(tables.journal)
    }

    pub(super) fn attributes(&self) -> Result<Vec<AttributeDefinition>, StoreError> {
        let definition = |attribute: &Attribute| {
            AttributeDefinition::builder()
                .attribute_name(&attribute.attribute_name)
                .attribute_type(ScalarAttributeType::from(attribute.attribute_type.as_str()))
                .build()
                .map_err(corrupt)
        };
        self.attribute_definitions.iter().map(definition).collect()
    }

    pub(super) fn indexes(&self) -> Result<Vec<GlobalSecondaryIndex>, StoreError> {
        let index = |index: &Index| {
            let projection = Projection::builder()
                .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
                .set_non_key_attributes(index.projection.non_key_attributes.clone())
                .build();
            GlobalSecondaryIndex::builder()
                .index_name(&index.index_name)
                .set_key_schema(Some(key_schema(&index.key_schema)?))
                .projection(projection)
                .build()
                .map_err(corrupt)
        };
        self.global_secondary_indexes.iter().map(index).collect()
    }

    /// What a table lacks to be the one described.
    pub(super) fn missing_in(&self, table: &TableDescription) -> Option<String> {
        let same = |found: &[KeySchemaElement], wanted: &[Key]| {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| {
                    found.attribute_name == wanted.attribute_name
                        && found.key_type.as_str() == wanted.key_type
                })
        };
        if !same(table.key_schema(), &self.key_schema) {
            return Some("its keys are others".to_owned());
        }
        let lacks = self.global_secondary_indexes.iter().find(|wanted| {
            !table.global_secondary_indexes().iter().any(|found| {
                found.index_name() == Some(&wanted.index_name) && same(found.key_schema(), &wanted.key_schema)
            })
        });
        lacks.map(|index| format!("it has no index {} as it is needed", index.index_name))
    }
}
