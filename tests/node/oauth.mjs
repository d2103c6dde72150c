// Signs somebody in and decides what an application may do, in a real browser that comes from a
// page of another site: node oauth.mjs CHROMIUM AUTHORIZE_URL CALLBACK USER DECISION; prints what
// the page said, and the address to which the browser was sent.
import { chromium } from "playwright-core";

const [executablePath, authorize, callback, user, decision] = process.argv.slice(2);
const elsewhere = "https://app.example";

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-features=LocalNetworkAccessChecks",
  ],
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.route(`${elsewhere}/**`, (route) =>
    route.fulfill({ body: `<a href="${authorize.replaceAll("&", "&amp;")}">Connect</a>`, contentType: "text/html" }),
  );
  await page.route(`${callback}*`, (route) => route.fulfill({ body: "back", contentType: "text/html" }));
  await page.goto(`${elsewhere}/`);
  await page.getByRole("link", { name: "Connect" }).click();

  await page.getByLabel("Name").fill(user);
  await page.getByRole("button", { name: "Sign in" }).click();

  await page.getByRole("button", { name: "Allow" }).waitFor();
  const said = await page.locator("main").innerText();
  const cookies = (await page.context().cookies()).filter((cookie) => cookie.path.startsWith("/oauth"));
  await page.getByRole("button", { name: decision }).click();
  await page.waitForURL(`${callback}*`);
  console.log(JSON.stringify({ said, url: page.url(), errors, cookies }));
} finally {
  await browser.close();
}
