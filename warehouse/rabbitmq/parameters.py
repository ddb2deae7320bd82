"""How RabbitMQ is reached: what its URL says, with TLS that knows whom it talks to."""

import ssl
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pika

from warehouse.errors import SettingsError


def connection_parameters(url: object, name: str) -> pika.URLParameters:
    """What pika needs to connect.

    With ``amqps`` the server must show a certificate of its host name, by an authority that the
    system trusts, or by that of ``?cafile=/path`` in the URL.

    Args:
        url: amqp or amqps URL.
        name: how the broker's management page shows the connection.

    Raises:
        SettingsError: the URL is malformed, or the authority's file cannot be read.
    """
    parts = urlsplit(str(url))
    options = parse_qs(parts.query)
    authority = options.pop("cafile", [None])[0]
    rest = "&".join(f"{key}={value}" for key, values in options.items() for value in values)
    try:
        parameters = pika.URLParameters(urlunsplit(parts._replace(query=rest)))
        if parts.scheme == "amqps":
            context = ssl.create_default_context(cafile=authority)
            parameters.ssl_options = pika.SSLOptions(context, parameters.host)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"RABBITMQ_URL: {error}") from None
    except OSError as error:
        raise SettingsError(f"RABBITMQ_URL: cafile={authority}: {error.strerror}") from None
    parameters.client_properties = {"connection_name": name}
    return parameters
