"""Flask-Loop: model definitions become a documented, secured REST API inside a Flask app."""

from .acl import ACL, Role, RoleMapping
from .auth import Session, User
from .connectors import Connector
from .datasource import DataSource, create_data_source, memory
from .definition import prop, relation
from .documents import DocumentSource
from .email import Email
from .errors import (
    DefinitionError,
    FilterError,
    LoopError,
    ModelNotFound,
    NotAttachedError,
    RemoteError,
    ValidationError,
)
from .extension import Loop
from .geo import GeoPoint
from .http import csrf_token
from .key_value import KeyValueModel
from .mapped import MappedSource
from .methods import remote_method, shared
from .model import Model, Prop, create_model
from .operations import Observation, unscoped
from .relations import (
    BelongsTo,
    EmbedsMany,
    EmbedsOne,
    HasAndBelongsToMany,
    HasMany,
    HasOne,
    ReferencesMany,
    scope,
)
from .remoting import Context, current_context, id_text, options
from .serving import database_app

__all__ = [
    "ACL",
    "BelongsTo",
    "Connector",
    "Context",
    "DataSource",
    "DefinitionError",
    "DocumentSource",
    "Email",
    "EmbedsMany",
    "EmbedsOne",
    "FilterError",
    "GeoPoint",
    "HasAndBelongsToMany",
    "HasMany",
    "HasOne",
    "KeyValueModel",
    "Loop",
    "LoopError",
    "MappedSource",
    "Model",
    "ModelNotFound",
    "NotAttachedError",
    "Observation",
    "Prop",
    "ReferencesMany",
    "RemoteError",
    "Role",
    "RoleMapping",
    "Session",
    "User",
    "ValidationError",
    "create_data_source",
    "create_model",
    "csrf_token",
    "current_context",
    "database_app",
    "id_text",
    "memory",
    "options",
    "prop",
    "relation",
    "remote_method",
    "scope",
    "shared",
    "unscoped",
]
