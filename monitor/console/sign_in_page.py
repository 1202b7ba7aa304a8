"""The page that asks who somebody is: shown in the place of every page that is for people alone."""

from fastapi import Request, Response

from monitor.console.render import page
from monitor.http.deps import Deps
from monitor.identity.browser import form_cookie, form_token, local_path, set_form_cookie


def sign_in_page(
    request: Request,
    *,
    detail: str = "",
    going_to: str = "/",
    login: str = "",
    tenants: bool = False,
    wrong: bool = False,
    status: int = 200,
) -> Response:
    """The form, tied to this browser by a cookie. `tenants`: ask for the tenant too; `wrong`: `detail` is a fault."""
    deps: Deps = request.app.state.deps
    cookie = form_cookie(request)
    values = {
        "detail": detail,
        "wrong": wrong,
        "login": login,
        "tenants": tenants,
        "going_to": local_path(going_to),
        "form_token": form_token(cookie),
        "provider": deps.settings.oidc_name if deps.settings.oidc_issuer else None,
    }
    answer = page("sign_in.html", request, values, status=status)
    set_form_cookie(answer, cookie, deps.settings)
    return answer
