type Block = { type: string; props: Record<string, unknown> };
type Page = { path: string; title: string; blocks: readonly Block[] };

const hero = (title: string, subtitle: string): Block => ({
  type: 'hero',
  props: { title, subtitle, align: 'center', background: 'subtle' },
});
const words = (content: string): Block => ({
  type: 'richText',
  props: { content, align: 'left', size: 'md' },
});
const link = (buttonLabel: string): Block => ({
  type: 'cta',
  props: { buttonLabel, buttonHref: '#', variant: 'primary', align: 'center' },
});
const form = (submitLabel: string): Block => ({
  type: 'form',
  props: {
    fields: [
      { name: 'name', label: 'Name', type: 'text', required: true },
      { name: 'email', label: 'Email', type: 'email', required: true },
      { name: 'message', label: 'Message', type: 'textarea', required: false },
    ],
    submitLabel,
    successMessage: 'Thank you. Your message has arrived.',
    target: 'inbox',
  },
});

/**
 * The pages and blocks that a new website starts with; the words hold a place until the person
 * writes their own.
 */
export const TEMPLATES: Readonly<Record<string, readonly Page[]>> = {
  blank: [{ path: '/', title: 'Home', blocks: [] }],
  'personal-linktree': [
    {
      path: '/',
      title: 'Home',
      blocks: [
        hero('Your name', 'What you do, in one line'),
        ...['Website', 'Blog', 'Photos', 'Videos', 'Newsletter', 'Contact'].map(link),
      ],
    },
  ],
  event: [
    {
      path: '/',
      title: 'Home',
      blocks: [
        hero('Name of the event', 'Day and place'),
        words('What the event is about, and who it is for.'),
        {
          type: 'faq',
          props: {
            title: 'FAQ',
            items: [{ question: 'How do I get there?', answer: 'Say how.' }],
            defaultOpen: false,
          },
        },
      ],
    },
    {
      path: '/programm',
      title: 'Programme',
      blocks: [hero('Programme', 'What happens when'), words('10:00 Doors open')],
    },
    {
      path: '/anmelden',
      title: 'Sign up',
      blocks: [hero('Sign up', 'Tell us that you come'), form('Sign up')],
    },
  ],
  portfolio: [
    {
      path: '/',
      title: 'Home',
      blocks: [hero('Your name', 'What you make'), words('What your work is about.')],
    },
    {
      path: '/ueber-mich',
      title: 'About me',
      blocks: [hero('About me', ''), words('Who you are, and how you came to your work.')],
    },
    {
      path: '/arbeiten',
      title: 'Work',
      blocks: [
        hero('Work', 'A selection'),
        { type: 'gallery', props: { title: '', images: [], layout: 'grid', columns: 3 } },
        {
          type: 'moduleEmbed',
          props: { source: 'picture.board', sourceId: '', layout: 'grid', maxItems: 12 },
        },
      ],
    },
    {
      path: '/kontakt',
      title: 'Contact',
      blocks: [hero('Contact', 'Write to me'), form('Send')],
    },
  ],
};
