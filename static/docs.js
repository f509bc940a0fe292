// Swagger UI over our own document. Signed in by cookie, "Try it out" works as you are: each call that changes
// something carries a CSRF token. With a token given under "Authorize" the cookie stays at home.
(() => {
  const place = document.getElementById("api");
  const { openapi, csrf } = place.dataset;
  const SAFE = ["GET", "HEAD", "OPTIONS"];

  async function prepare(request) {
    if (request.headers.Authorization) {
      request.credentials = "omit";
    } else if (!SAFE.includes((request.method || "GET").toUpperCase())) {
      // Asked anew each time: signing in and out changes the token.
      const answer = await fetch(csrf, { headers: { Accept: "application/json" } });
      request.headers["X-CSRFToken"] = (await answer.json()).csrf_token;
    }
    return request;
  }

  window.ui = SwaggerUIBundle({
    url: openapi,
    domNode: place,
    deepLinking: true,
    filter: true,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    displayRequestDuration: true,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    syntaxHighlight: { activated: true },
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    requestInterceptor: prepare,
  });
})();
