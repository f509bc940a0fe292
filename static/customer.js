// What is known of the number that stood here before is no stop on the way to the next field.
document.addEventListener("input", (event) => {
  if (event.target.matches("input[name$=cpf_cnpj]")) document.querySelector("#tax-id-check a")?.remove();
});
// A CPF or CNPJ gets its punctuation when the field is left; it counts the same with and without.
document.addEventListener("focusout", (event) => {
  if (!event.target.matches("input[name$=cpf_cnpj]")) return;
  const places = event.target.value.replace(/[.\-/\s]/g, "").toUpperCase();
  if (/^\d{11}$/.test(places)) event.target.value = places.replace(/(.{3})(.{3})(.{3})(.{2})/, "$1.$2.$3-$4");
  else if (/^[0-9A-Z]{12}\d{2}$/.test(places)) event.target.value = places.replace(/(.{2})(.{3})(.{3})(.{4})(.{2})/, "$1.$2.$3/$4-$5");
});
