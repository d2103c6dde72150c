// Uploads a file with Uppy's Tus plugin, unmodified, in a real browser, from a page of another
// origin: node uppy.mjs CHROMIUM PAGE_ORIGIN ENDPOINT TOKEN FILE; prints the upload's URL.
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, origin, endpoint, token, path] = process.argv.slice(2);
const library = fileURLToPath(import.meta.resolve("uppy/dist/uppy.min.js"));
const html = '<!doctype html><input type="file"><script src="/uppy.js"></script>';

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    // The page comes from this script, and so from no address: a server of its own would be local.
    "--disable-features=LocalNetworkAccessChecks",
  ],
});
try {
  const page = await browser.newPage();
  await page.route(`${origin}/**`, (route) =>
    route.request().url().endsWith("/uppy.js")
      ? route.fulfill({ path: library, contentType: "text/javascript" })
      : route.fulfill({ body: html, contentType: "text/html" }),
  );
  page.on("console", (message) => console.error(message.text()));
  await page.goto(`${origin}/`);
  await page.setInputFiles("input", path);
  const url = await page.evaluate(upload, { endpoint, token });
  console.log(url);
} finally {
  await browser.close();
}

async function upload({ endpoint, token }) {
  const uppy = new window.Uppy.Uppy();
  uppy.use(window.Uppy.Tus, {
    endpoint,
    retryDelays: Array(400).fill(50),
    onBeforeRequest(request) {
      if (request.getMethod() === "POST") request.setHeader("Authorization", `Bearer ${token}`);
    },
  });
  const [data] = document.querySelector("input").files;
  uppy.addFile({ name: "uppy.bin", type: "application/octet-stream", data });
  const { successful, failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(failed[0].error);
  return successful[0].uploadURL;
}
