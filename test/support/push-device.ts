import type { TestBrowser, TestPushService } from './push-service.ts'

/** A browser's side of Web Push, which no browser has without a push service of its maker: one subscription at a time. */
export class DeviceWithPush {
  readonly registration: ServiceWorkerRegistration
  /** Each subscription it ever had. */
  readonly subscribed: TestBrowser[] = []

  constructor(service: TestPushService) {
    let current: Partial<PushSubscription> | null = null
    const pushManager = {
      getSubscription: async () => current,
      subscribe: async ({ applicationServerKey }: { applicationServerKey: Uint8Array<ArrayBuffer> }) => {
        const browser = service.browser()
        this.subscribed.push(browser)
        current = {
          endpoint: browser.endpoint,
          options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(applicationServerKey).buffer },
          toJSON: () => browser.toJSON(),
          unsubscribe: async () => {
            current = null
            return true
          },
        }
        return current
      },
    }
    this.registration = { pushManager } as unknown as ServiceWorkerRegistration
  }
}
