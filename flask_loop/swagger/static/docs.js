// Shows the OpenAPI document that lies beside this page.
"use strict";

const darkness = window.matchMedia("(prefers-color-scheme: dark)");
const followDarkness = () => {
  document.documentElement.classList.toggle("dark-mode", darkness.matches);
};
darkness.addEventListener("change", followDarkness);
followDarkness();

const ui = SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#docs",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  onComplete: () => {
    document.title = ui.specSelectors.info().get("title");
  },
});
