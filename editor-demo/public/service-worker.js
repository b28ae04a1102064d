/**
 * Opens the demo without a network: the page, and all that its build is made of, is kept when it is first seen.
 * Documents are no concern of it, the client library keeps those.
 */
const CACHE = 'coweave-demo-1'
const PAGE = '/'
const ICON = '/favicon.svg'
const MANIFEST = '/assets/manifest.json'
const ENTRY = 'index.html'
/** The server says that answers vary by origin; there is one only, which some requests name and others don't. */
const ALIKE = { ignoreVary: true }

self.addEventListener('install', (event) => {
  event.waitUntil(
    fetch(PAGE, { cache: 'no-store' })
      .then(keepBuild)
      .then(() => self.skipWaiting()),
  )
})

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin) return
  if (request.mode === 'navigate' && (pathname === PAGE || pathname.startsWith('/d/'))) event.respondWith(page(event))
  // A built file's name has a hash of its content: what is kept under it is never old.
  else if (pathname === ICON || (pathname.startsWith('/assets/') && pathname !== MANIFEST))
    event.respondWith(kept(request))
})

/** The newest page there is. Every document has the same one. */
async function page(event) {
  const cache = await caches.open(CACHE)
  try {
    const response = await fetch(event.request)
    if (!response.ok) return (await cache.match(PAGE, ALIKE)) ?? response
    event.waitUntil(keepBuild(response.clone()))
    return response
  } catch (error) {
    const last = await cache.match(PAGE, ALIKE)
    if (last === undefined) throw error
    return last
  }
}

/** Keeps a page once all of its files are there, and then forgets those of earlier builds. */
async function keepBuild(page) {
  const manifest = await (await fetch(MANIFEST, { cache: 'no-store' })).json()
  // Between the two requests there was a new build: the next page tells.
  if (!(await page.clone().text()).includes(manifest[ENTRY].file)) return
  const entries = Object.values(manifest).filter(({ src = '' }) => !/^(minimal|admin)\//.test(src))
  const wanted = new Set(entries.flatMap(({ file, css = [], assets = [] }) => [file, ...css, ...assets]))
  const paths = new Set([ICON, ...[...wanted].map((file) => `/${file}`)])
  const cache = await caches.open(CACHE)
  const there = (await cache.keys()).map(({ url }) => new URL(url).pathname)
  await cache.addAll([...paths].filter((path) => !there.includes(path)))
  await cache.put(PAGE, page)
  for (const path of there) if (path !== PAGE && !paths.has(path)) await cache.delete(path)
}

async function kept(request) {
  const cache = await caches.open(CACHE)
  return (await cache.match(request, ALIKE)) ?? fetch(request)
}
