// What JavaScript adds: the choice of a person takes effect at once. Every page works without.
document.addEventListener("change", (event) => {
  const select = event.target.closest(".acting select");
  if (select) select.form.requestSubmit();
});
