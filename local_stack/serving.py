"""Runs one of the local stack's own servers, on this machine's loopback address only."""

import uvicorn
from starlette.applications import Starlette


def serve(app: Starlette, *, port: int) -> None:
    """Serve until interrupted or terminated; `app.state.is_closing` says when that has happened.

    Access is not logged: paths of signed URLs would open what they name.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app, host="127.0.0.1", port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=3
        )
    )
    app.state.is_closing = lambda: server.should_exit
    server.run()
